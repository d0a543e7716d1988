"""What the console shows of the processes' logs."""

from pathlib import Path

from deploy.logs import LogWatch


def test_a_queue_named_critical_is_shown_as_trouble(tmp_path: Path) -> None:
    log = tmp_path / "routing.log"
    watch = LogWatch(log)
    log.write_text(
        " -------------- critical@host v5.7.0\n"
        "                .> routing.critical exchange=mail(direct)\n"
        "    . logfile -> [stderr]@%WARNING\n"
        "[ERROR] the database went away\n"
    )
    assert watch.trouble() == ["[ERROR] the database went away"]
