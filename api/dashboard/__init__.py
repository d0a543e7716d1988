"""The dashboard at /dashboard: pages for people over the public API, rendered here, readable without JavaScript.

A page reads by calling the API inside this process as the person who is signed in (`calls.py`), and a form does
what one request of the API does (`actions.py`): nothing is here that a key cannot do. Never here: SQL, rules.
"""

from api.dashboard import actions, home, lists, mail, settings, sign_in

BLUEPRINTS = (sign_in.blueprint, actions.blueprint, mail.blueprint, lists.blueprint, settings.blueprint, home.blueprint)
