"""The command `python -m conform`, which `make conform` calls."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.atlas.credentials import CredentialsError
from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.commands.clusterless import EnvironmentCredentials
from conform.exchanges import Atlas
from conform.life import Life, families, values_for
from conform.rows import difference, rows

DIFFERS, NOT_TRIED, AS_ASSUMED = "differs", "not tried", "as assumed"


def main() -> int:
    """Run the command.

    Returns:
        0: each family was lived to its end, and nothing is left. 1: otherwise. 2: a wrong argument. 130: interrupted.
    """
    try:
        return 0 if asyncio.run(run(sys.argv[1:], _print)) else 1
    except (CredentialsError, OSError, ValueError) as error:
        _print(str(error))
        return 2
    except KeyboardInterrupt:
        return 130


def _print(line: str) -> None:
    sys.stdout.write(one_line(line, limit=2000) + "\n")  # texts from Atlas may control a terminal
    sys.stdout.flush()


async def run(
    arguments: Sequence[str],
    put: Callable[[str], object],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> bool:
    """Live, or remove; return whether all is done and nothing is left.

    Raises:
        CredentialsError, ValueError: the environment or an argument is not usable.
        OSError: the record cannot be written.
    """
    options = _options(arguments)
    credentials = EnvironmentCredentials().parse()
    url = check_base_url(options.atlas_url, allow_plain_http=False, name="ATLAS_URL")
    options.record.parent.mkdir(parents=True, exist_ok=True)
    with options.record.open("a", encoding="utf-8") as record:
        atlas = Atlas(url, options.project, credentials, record)
        lives = []
        try:
            for name, family in families().items():
                left = [path for path in options.remove if path.startswith(f"{family.list}/")]
                if left or name in options.families:
                    values = {**values_for(options.region), "list": family.list}
                    lives.append(life := Life(name, family, atlas, values, put, sleep, left=left))
                    await (life.remove() if left else life.live())
        finally:
            for life in lives:
                _report(life, options.project, put)
            await atlas.aclose()
    return not any(life.end or life.left or life.others for life in lives)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    known = families()
    told = " ".join(f"{name} needs {each.needs}, and makes {each.makes}." for name, each in known.items())
    parser = argparse.ArgumentParser("conform", description="Try in a project what is not known of Atlas.", epilog=told)
    parser.add_argument("--project", required=True, help="the ID of a project for tests")
    parser.add_argument("--families", nargs="*", default=[], help=f"what to try: {' '.join(known)}")
    parser.add_argument("--region", default="US_EAST_1", help="of AWS, as Atlas spells it")
    parser.add_argument("--record", type=Path, default=Path(".cache/conform.jsonl"), help="file for the exchanges")
    parser.add_argument("--remove", nargs="*", default=[], help="only remove what a run has named")
    parser.add_argument("--atlas-url", default="https://cloud.mongodb.com")
    options = parser.parse_args(arguments)
    removable = all(path.startswith(tuple(f"{each.list}/" for each in known.values())) for path in options.remove)
    if not removable or not {*options.families} <= known.keys() or bool(options.families) == bool(options.remove):
        parser.error(f"name families: {' '.join(known)}. {told}")
    return options


def _report(life: Life, project: str, put: Callable[[str], object]) -> None:
    """Print what came of the rows of a family, and what is left of it."""
    found: dict[str, list[str]] = {DIFFERS: [], NOT_TRIED: [], AS_ASSUMED: []}
    for row in rows():
        if row.expect and life.name in row.families:
            tried = {step: each for step, each in row.expect.items() if step in life.exchanges}
            told = {step: difference(life.exchanges[step], each, life.values) for step, each in tried.items()}
            wrong = "; ".join(f"{step}: {each}" for step, each in told.items() if each)
            result = DIFFERS if wrong else AS_ASSUMED if tried == row.expect else NOT_TRIED
            found[result].append(f"  {result}: {row.id} ({row.question}){': ' * bool(wrong)}{wrong}")
    if life.exchanges:
        put(f"{life.name}: {', '.join(f'{len(each)} {result}' for result, each in found.items())}")
        for line in found[DIFFERS] + found[NOT_TRIED]:
            put(line)
    if life.end:
        put(f"{life.name}: it ended early: {life.end}")
    if life.in_doubt:
        put(f"{life.name}: the step “{life.in_doubt}” may have made something, which another run will name.")
    named = dict.fromkeys(life.left, "made here, and not seen to be gone")
    named |= dict.fromkeys(life.others, "not touched: perhaps somebody else has made it")
    for path, why in named.items():
        put(f"{life.name}: {path} ({why})")
    if named:
        put(f"If nobody needs them: make conform PROJECT={project} REMOVE='{' '.join(named)}'")


if __name__ == "__main__":
    sys.exit(main())
