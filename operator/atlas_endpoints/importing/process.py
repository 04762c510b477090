"""Run an import: ask Atlas or read files, and write manifests."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from atlas_endpoints import __version__
from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import Credentials, CredentialsError
from atlas_endpoints.atlas.errors import MAKE_ANEW, PUT_VALID_ONES, AtlasError, NotServerlessError, by_hand
from atlas_endpoints.clusterless import EnvironmentCredentials, ImportSettings
from atlas_endpoints.importing.drafts import Draft, LeftOut, Options, Origin, draft, provider_of
from atlas_endpoints.importing.reading import Found, endpoints_of, instances_of
from atlas_endpoints.importing.successors import Connection, region_of, successors
from atlas_endpoints.importing.writing import write
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint, ServerlessInstance
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.planning.manifests import Invalid, Manifest
from atlas_endpoints.planning.sources import find

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Result:
    """What was read.

    Attributes:
        remarks: for users; nothing is wrong.
        problems: for users; something is missing.
    """

    found: Sequence[Found] = ()
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def run(settings: ImportSettings, put: Say, say: Say) -> bool:
    """Write manifests for the endpoints of a project or of exported resources, and return whether all were written.

    Args:
        put: prints a manifest, if the settings name no folder.
        say: prints a line for users.

    Raises:
        ValueError: the CA file or the proxy is not usable.
        OSError: the folder cannot be written.
    """
    options = Options(settings.namespace, settings.credentials_secret)
    result = Result()
    if settings.project is None:
        drafts = successors(_exported(settings, result), options)
    else:
        result = await _ask(settings, settings.project)
        endpoints = [
            (endpoint, each.instance, Origin(settings.project, each.instance.name, each.instance.provider))
            for each in result.found
            for endpoint in each.endpoints
        ]
        if settings.target == "serverless-private-endpoint":
            drafts = [draft(endpoint, origin, options) for endpoint, _, origin in endpoints]
        else:
            drafts = successors((_connection(*each, region=settings.region) for each in endpoints), options)
    written = [each for each in drafts if isinstance(each, Draft)]
    for each in drafts:
        if isinstance(each, LeftOut):
            lines = result.remarks if each.expected else result.problems
            lines.append(f"Endpoint {each.endpoint_id} gets no manifest: {each.why}.")
    count = len(written)
    if settings.output_dir is not None:
        left = list(write(written, settings.output_dir))
        result.problems.extend(left)
        count -= len(left)
    else:
        for number, each in enumerate(written):
            put(("---\n" if number else "") + each.text.rstrip("\n"))
    for line in (*result.remarks, *result.problems):
        say(line)
    say(f"{count} {'manifest' if count == 1 else 'manifests'} written.")
    return not result.problems


def _exported(settings: ImportSettings, result: Result) -> Iterable[Connection]:
    """Read exported resources, whose status holds their connections even when Atlas does not answer any more."""
    for each in find(settings.filename, recursive=settings.recursive, namespace=settings.namespace or "default"):
        if isinstance(each, Invalid):
            result.problems.append(f"{each.place}: {'; '.join(each.problems)}")
        elif isinstance(each, Manifest):
            spec, status = each.resource.spec, each.exported or Status()
            endpoint, resolved = status.endpoint, status.resolved
            project_id = spec.project_id or (resolved.project_id if resolved is not None else None)
            if project_id is None:
                result.problems.append(f"{each.place}: spec.projectRef has not led to a project yet")
                continue
            known = region_of(endpoint.endpoint_service_name) if endpoint else None
            shown = endpoint.cloud_provider_endpoint_id if endpoint else None
            yield Connection(
                str(each.resource.key),
                project_id,
                spec.provider_name,
                known or settings.region,
                spec.cloud_provider_endpoint_id or shown,
            )


def _connection(endpoint: Endpoint, instance: ServerlessInstance, origin: Origin, *, region: str | None) -> Connection:
    return Connection(
        f"{endpoint.id} of {origin.instance}",
        origin.project_id,
        provider_of(endpoint, origin),
        instance.region or region_of(endpoint.endpoint_service_name) or region,
        endpoint.cloud_provider_endpoint_id,
    )


async def _ask(settings: ImportSettings, project: str) -> Result:
    variables = EnvironmentCredentials()
    try:
        credentials, warnings = variables.parse()
    except CredentialsError as error:
        return Result(problems=[error.message])
    client = AtlasClient(
        settings.atlas_url,
        user_agent=f"atlas-endpoints/{__version__}",
        writes=False,
        ca_file=settings.ca_file,
        random=Random(),  # noqa: S311  # jitter
    )
    try:
        found = await _read(client, credentials, settings, project)
    except AtlasError as error:
        return Result(problems=[_message(error, variables)])
    finally:
        await client.aclose()
    result = Result(found, remarks=warnings)
    for each in found:
        name = each.instance.name
        if isinstance(each.refusal, NotServerlessError) and settings.instance is None:
            result.remarks.append(f"{name} is no serverless instance any more and has no such endpoints.")
        elif each.refusal is not None:
            result.problems.append(f"{name}: {_message(each.refusal, variables)}")
        if each.skipped:
            result.problems.append(f"{name}: {each.skipped} of its endpoints have no id that could be read.")
    return result


async def _read(client: Requester, credentials: Credentials, settings: ImportSettings, project: str) -> list[Found]:
    instances: tuple[ServerlessInstance, ...] = (ServerlessInstance(settings.instance or ""),)
    if settings.instance is None or settings.target == "atlas-private-endpoint":
        # Only the list of instances has the region.
        listed = await instances_of(client, credentials, project)
        instances = tuple(each for each in listed if settings.instance in {None, each.name}) or instances
    return await endpoints_of(client, credentials, project, instances)


def _message(error: AtlasError, variables: EnvironmentCredentials) -> str:
    remedy = f"They are those of {variables.variables}. Put valid ones there."
    message = error.message.replace(PUT_VALID_ONES, remedy).replace(MAKE_ANEW, "correct --project or --instance")
    return by_hand(message)
