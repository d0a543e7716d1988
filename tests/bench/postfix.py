"""Postfix as a floor, where it is installed: a private instance in a folder of its own, never the system's.

Its durable defaults are kept; only addresses and folders are set. Needs root, as Postfix does.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.ports import accepts, settle_ports
from tests.bench.stand import Stand, wait_until

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def why_not() -> str:
    """Why Postfix cannot be measured here; empty when it can."""
    missing = [name for name in ("postfix", "postconf", "smtp-source") if shutil.which(name, path=_path()) is None]
    if missing:
        return f"Postfix is not installed here ({', '.join(missing)} missing): the figures beside it were not taken"
    return "" if os.geteuid() == 0 else "Postfix needs root: the figures beside it were not taken"


def rate(stand: Stand, count: int, seconds: float) -> float:
    """Mails per second, smtp-source's first connection to the last mail in the sink.

    Raises RuntimeError, TimedOut or subprocess.CalledProcessError when the private instance does not work.
    """
    with instance(stand.sink.port) as port:
        before, began = stand.sink.count(), time.time_ns()
        source = ["smtp-source", "-s", "16", "-m", str(count), "-l", "400"]
        _run([*source, "-f", "hello@example.com", "-t", "postfix@example.net", f"127.0.0.1:{port}"])
        wait_until(lambda: stand.sink.count() >= before + count, seconds, "the last mail of Postfix")
        last = max(each.taken for each in stand.taken("postfix"))
    stand.accepted += count
    return count / ((last - began) / 1e9)


@contextmanager
def instance(sink_port: int, **more: object) -> Iterator[int]:
    """A private Postfix that hands everything to a sink on loopback, with `more` settings; answers its port."""
    port = settle_ports({"postfix": ("127.0.0.1", 0)})["postfix"]
    with tempfile.TemporaryDirectory(prefix="sdx-postfix-") as folder:  # others may enter it, unlike a test's own
        base = Path(folder)
        base.chmod(0o755)
        config, spool, data = base / "etc", base / "spool", base / "data"
        for each in (config, spool, data):
            each.mkdir(parents=True)
        shutil.chown(data, "postfix")
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": spool,
            "data_directory": data,
            "maillog_file": base / "postfix.log",
            "maillog_file_prefixes": base,
            "multi_instance_name": "postfix-bench",
            "multi_instance_enable": "yes",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "myhostname": "bench.example.com",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "relayhost": f"[127.0.0.1]:{sink_port}",
            "smtp_dns_support_level": "disabled",
            "alias_maps": "",
            "alias_database": "",
            **more,
        }
        (config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        (config / "master.cf").write_text(_MASTER.format(port=port))
        try:
            with suppress(RuntimeError):  # a busy machine's master comes up after all
                _run(["postfix", "-c", str(config), "start"])
            wait_until(lambda: accepts("127.0.0.1", port), 20, "the private Postfix")
            yield port
        finally:
            _run(["postfix", "-c", str(config), "stop"])


def _path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/lib/postfix/sbin"


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        list(command), env={**os.environ, "PATH": _path()}, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")
