"""A table of names, and whether Kubernetes lets a Secret be called so; who checks names has to agree with it."""

from __future__ import annotations

NAMES: dict[str, tuple[str, bool]] = {
    "a word": ("atlas-credentials", True),
    "one letter": ("a", True),
    "one digit": ("1", True),
    "labels with dots between them": ("atlas.shop.v1", True),
    "as long as can be": ("a" * 253, True),
    "one character too long": ("a" * 254, False),
    "nothing": ("", False),
    "capitals": ("Atlas", False),
    "a space within": ("a b", False),
    "a space after": ("atlas ", False),
    "a line break after": ("atlas\n", False),
    "an underscore": ("atlas_credentials", False),
    "a slash": ("shop/atlas", False),
    "this folder": (".", False),
    "the folder above": ("..", False),
    "two dots in a row": ("a..b", False),
    "a hyphen beside a dot": ("a-.b", False),
    "a dot before a hyphen": ("a.-b", False),
    "a hyphen first": ("-a", False),
    "a hyphen last": ("a-", False),
    "a dot first": (".a", False),
    "a dot last": ("a.", False),
    "a percent sign": ("a%2fb", False),
    "letters with accents": ("é", False),
}
