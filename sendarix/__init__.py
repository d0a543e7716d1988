"""The Python client of the Sendarix API, and the commands of the `sendarix` command line in `cli`.

Never here: anything of the server. What the API does not answer, this package does not know.
"""

from sendarix.client import Client
from sendarix.errors import ApiError, SendarixError, Unreachable

__all__ = ["ApiError", "Client", "SendarixError", "Unreachable"]
