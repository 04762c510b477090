"""Which commands a block of shell holds: rows whose names are sentences."""

from __future__ import annotations

import pytest

from support.shell import Command, commands, console

BLOCKS: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "a command with quotes": (
        "kubectl get spe -o jsonpath='{.a} {.b}'",
        [("kubectl", "get", "spe", "-o", "jsonpath={.a} {.b}")],
    ),
    "a command over two lines": ("helm upgrade \\\n  --install a b", [("helm", "upgrade", "--install", "a", "b")]),
    "a comment, and one behind a command": ("# first\nmake up   # then", [("make", "up")]),
    "a number sign that begins no comment": ("curl a#b", [("curl", "a#b")]),
    "a pipe": ("kubectl get spe -A | grep Held", [("kubectl", "get", "spe", "-A"), ("grep", "Held")]),
    "what is written to a file": ("atlas-endpoints plan -f a > plan.json", [("atlas-endpoints", "plan", "-f", "a")]),
    "variables of one command": ("KUBECONFIG=$PWD/a .cache/kubectl apply -f b", [("kubectl", "apply", "-f", "b")]),
    "variables of the shell": ("export A=b\nC=d", []),
    "a substitution": (
        'T=$(curl -s x | jq -r .y)\necho "$T"',
        [("echo", "$T"), ("curl", "-s", "x"), ("jq", "-r", ".y")],
    ),
    "a substitution in quotes": (
        'kubectl annotate a b="$(date +%s)"',
        [("kubectl", "annotate", "a", "b=substituted"), ("date", "+%s")],
    ),
    "a case": ('case $code in 0|3) ;; *) exit "$code" ;; esac', []),
    "a list": ("a || b=$?", [("a",)]),
    "text over two lines": ("curl -d '{\n}' x\nb", [("curl", "-d", "{\n}", "x"), ("b",)]),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_the_commands_of(name: str) -> None:
    block, expected = BLOCKS[name]
    assert commands(block) == [Command(program, tuple(arguments)) for program, *arguments in expected]


def test_of_a_console_only_what_is_typed_counts() -> None:
    assert console("$ kubectl get spe\nNAME  READY\n$ make down\n") == "kubectl get spe\nmake down"
