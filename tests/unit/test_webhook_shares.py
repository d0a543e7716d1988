"""Threads of one process, shared between endpoints and accounts, and nobody forgotten who was refused."""

from uuid import uuid4

from workers.webhooks.shares import OF_ACCOUNT, OF_ENDPOINT, Shares


def test_an_endpoint_takes_more_than_its_share() -> None:
    shares, hook = Shares(), uuid4()
    assert [shares.enter(hook)[0] for _ in range(OF_ENDPOINT + 1)] == [True] * OF_ENDPOINT + [False]
    shares.leave(hook)
    assert shares.enter(hook)[0]


def test_an_account_takes_more_than_its_share() -> None:
    shares, account = Shares(), uuid4()
    for _ in range(OF_ACCOUNT):
        shares.join(account)
    assert shares.enter(uuid4()) == (True, {account})
    shares.leave(account)
    assert shares.enter(uuid4()) == (True, set())


def test_who_was_refused_is_forgotten() -> None:
    """Parked and told when somebody leaves; or, when somebody has left meanwhile, told at once."""
    shares, hook = Shares(), uuid4()
    for _ in range(OF_ENDPOINT):
        shares.enter(hook)
    assert not shares.refused(hook, [hook])
    assert shares.leave(hook) == {hook}
    assert shares.leave(hook) == set()
    assert shares.refused(hook, [hook])
