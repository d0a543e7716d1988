"""Octets to text, whatever a sender says their charset is: declared, evident, or the likeliest.

Never here: MIME.
"""

_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "sjis": "cp932",
    "windows-31j": "cp932",
    "cp-932": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "x-euc-jp": "euc_jp",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
}
"""What senders mean by a narrow name: they send what the wider charset adds as well."""
_LIKELY = ("euc_jp", "cp932", "gb18030")


def text_of(raw: bytes, declared: str | None) -> str:
    """Never raises; what no charset fits is read as Latin 1, so that addresses survive."""
    name = (declared or "").strip().lower()
    first = _WIDER.get(name, name) or "utf-8"
    for charset in (first, *(("iso2022_jp_ext",) if b"\x1b$" in raw else ()), "utf-8"):
        try:
            return raw.decode(charset)
        except (LookupError, ValueError):
            continue
    if first in _WIDER.values() and first != "utf-8":
        return raw.decode(first, "replace")  # a few damaged characters in a text that is mostly right
    return raw.decode(_likeliest(raw))


def _likeliest(raw: bytes) -> str:
    """Japanese or Chinese where every fifth octet is no ASCII, for no western text is like that."""
    if sum(each > 0x7F for each in raw[:2000]) * 5 > len(raw[:2000]):
        for charset in _LIKELY:
            try:
                raw.decode(charset)
                return charset
            except ValueError:
                continue
    return "latin-1"
