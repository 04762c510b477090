-- Copied by `make generate` from ServerlessPrivateEndpoint; do not edit.

-- The health of a resource of atlas-endpoints. Its kinds are made for kstatus: observedGeneration, and the conditions Ready,
-- Reconciling and Stalled, the latter two present only while they are true. Each reason has its paragraph in docs/reasons.md
-- of atlas-endpoints. No library of Lua is used, so this works with and without useOpenLibs.

local function health(status, message)
  return {status = status, message = message}
end

local status = obj.status or {}
if obj.metadata.deletionTimestamp ~= nil then
  for _, condition in ipairs(status.conditions or {}) do
    if condition.type == "Ready" and condition.reason == "DeletionBlocked" then
      return health("Degraded", "DeletionBlocked: " .. condition.message)
    end
  end
  return health("Progressing", "Pending deletion")
end

local observed = status.observedGeneration
if observed == nil or observed < 0 then
  return health("Progressing", "The operator has not seen the resource yet")
end
if observed ~= obj.metadata.generation then
  return health("Progressing", "The operator has not seen the last change yet")
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready
if ready == nil then
  return health("Progressing", "The operator has not said yet whether the resource is ready")
end

local function is_true(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local message = ready.reason .. ": " .. ready.message
if ready.reason == "Suspended" then
  return health("Suspended", message)
end
if is_true("Stalled") then
  return health("Degraded", message)
end
if is_true("Ready") and not is_true("Reconciling") then
  return health("Healthy", message)
end
return health("Progressing", message)
