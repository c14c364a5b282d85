"""Any responses to PLAIN and LOGIN: credentials a client could have meant, or one clear error."""

from __future__ import annotations

import sys

from appliance.protocol.sasl import (
    CLIENT_MECHANISMS,
    SERVER_MECHANISMS,
    Challenge,
    Finished,
    SaslError,
)


def fuzz_one(data: bytes) -> None:
    """Give the lines of `data` to each mechanism as the client's responses."""
    for name, mechanism in SERVER_MECHANISMS.items():
        server = mechanism()
        responses: list[bytes | None] = list(data[1:].split(b"\n"))
        if data[:1] == b"0":
            responses.insert(0, None)
        for response in responses:
            try:
                step = server.step(response)
            except SaslError:
                break
            if isinstance(step, Finished):
                check(name, step)
                break


def check(name: str, finished: Finished) -> None:
    """Whether the credentials are whole, and come out of the client's side the same."""
    assert finished.authcid.isprintable()
    assert finished.authzid.isprintable()
    assert finished.password
    assert "\0" not in finished.password
    client = CLIENT_MECHANISMS[name](finished.authcid, finished.password)
    server = SERVER_MECHANISMS[name]()
    step = server.step(client.initial_response())
    while isinstance(step, Challenge):
        step = server.step(client.step(step.data))
    assert (step.authcid, step.password) == (finished.authcid, finished.password)


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
