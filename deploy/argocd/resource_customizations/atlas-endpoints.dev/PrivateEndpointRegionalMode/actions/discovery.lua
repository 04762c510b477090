-- Copied by `make generate` from ServerlessPrivateEndpoint; do not edit.

-- While a resource is suspended the operator makes no call to Atlas, so there is nothing to reconcile: resume it first.
-- What an annotation has suspended, only the removal of that annotation resumes.

local suspended = obj.spec.suspend == true
local annotations = obj.metadata.annotations or {}
local skipped = annotations["atlas-endpoints.dev/reconcile-policy"] == "skip"
  or annotations["mongodb.com/atlas-reconciliation-policy"] == "skip"
local deleted = obj.metadata.deletionTimestamp ~= nil

return {
  ["reconcile"] = {["disabled"] = suspended or skipped or deleted},
  ["suspend"] = {["disabled"] = suspended or deleted},
  ["resume"] = {["disabled"] = not suspended or deleted},
}
