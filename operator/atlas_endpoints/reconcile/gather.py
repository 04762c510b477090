"""Gathers the facts that a decision depends on, as far as they are known without a call to Atlas."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.reconcile import ownership
from atlas_endpoints.reconcile.facts import Baseline, Defaults, Facts, Finding, Problem, is_forced
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.ownership import Claim
from atlas_endpoints.reconcile.ports import AtlasPort, ResourcesPort
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Resolved, Status


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Gathers facts about the resources of a kind.

    Attributes:
        writes: whether the operator may write to Atlas.
        grace: how long a failure that another object may fix counts as progress.
    """

    kind: Kind[Any]
    atlas: AtlasPort
    resources: ResourcesPort
    writes: bool
    defaults: Defaults
    grace: timedelta

    def scope(self, resource: Resource, project_id: str, credentials: str) -> Scope:
        """Return the scope of a resource."""
        return Scope(credentials, project_id, self.kind.names.kind, resource.scope_name)

    def facts(  # all that is known
        self,
        resource: Resource,
        previous: Status,
        now: datetime,
        scope: Scope,
        resolved: Resolved,
        *,
        problem: Problem | None = None,
        project_doubt: Finding | None = None,
    ) -> Facts[Any]:
        """Return what is known of a resource.

        Args:
            resource: with references replaced by their values.
            previous: the status before.
            problem: with a reference of the connection.
            project_doubt: with the reference to the project.
        """
        if resource.status is not previous:
            resource = resource.model_copy(update={"status": previous})
        spec, namespace = resource.spec, resource.metadata.namespace
        kind, found_by = self.kind, self.resources.found_by
        return Facts(
            resource=resource,
            now=now,
            policy="Plan" if spec.management_policy == "Manage" and not self.writes else spec.management_policy,
            writes=self.writes,
            interval=self.interval(resource),
            provisioning_timeout=spec.provisioning_timeout or self.defaults.provisioning_timeout,
            grace=self.grace,
            scope=scope,
            view=self.atlas.view(scope),
            is_held=lambda entry: ownership.is_held(kind, entry, found_by(entry), namespace),
            resolved=resolved,
            problem=problem,
            project_doubt=project_doubt,
            uncertain=self.atlas.unknown_for(scope, resource.written_as) is not None,
            forced=is_forced(resource, previous),
            baseline=Baseline.of(resource, previous),
        )

    def interval(self, resource: Resource) -> timedelta:
        """Return the interval between resyncs of a resource."""
        return resource.spec.sync_interval or self.defaults.sync_interval

    def claim(self, facts: Facts[Any]) -> Claim:
        """Return who owns the entry instead of a resource that has observed it, or is about to; None: nobody."""
        entry = facts.resource.entry
        if entry is None:
            return None
        return ownership.owner_before(self.kind, facts.resource, self.resources.found_by(entry), facts.now)
