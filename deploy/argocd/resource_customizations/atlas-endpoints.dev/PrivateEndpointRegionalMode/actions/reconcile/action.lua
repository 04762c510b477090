-- Copied by `make generate` from ServerlessPrivateEndpoint; do not edit.

-- Has the operator look at Atlas now, and send once more what Atlas has refused or what has failed.

local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["atlas-endpoints.dev/force-sync"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
