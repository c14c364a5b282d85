"""Any text as an address: it is refused with a reason, or comes back the same from its own form."""

from __future__ import annotations

import sys

from appliance.mail.address import Address, AddressError


def fuzz_one(data: bytes) -> None:
    """Parse `data` as a mailbox."""
    address = parse(data.decode("utf-8", "surrogateescape"))
    if address is None:
        return
    wire = str(address)
    assert Address.parse(wire) == address
    assert len(wire.encode()) <= 254
    assert wire.isprintable() or not address.is_ascii
    assert address.domain.isascii()
    assert address.local_part
    assert Address.parse(f"x@{address.domain_unicode}").domain_unicode == address.domain_unicode
    assert address.key.endswith("@" + address.domain)


def parse(text: str) -> Address | None:
    """Parse, and see that a refusal is fit to be shown."""
    try:
        return Address.parse(text)
    except AddressError as error:
        refused = error
    assert refused.why
    assert len(refused.value) <= 80
    assert str(refused).isprintable()
    return None


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
