"""The dashboard in Japanese, by the English text of the templates."""

JAPANESE: dict[str, str] = {}
