-- Health of an AnalyticsApi for Argo CD: by its conditions, as Flux, Helm 4 and `kubectl wait` read them.
local health = {status = "Progressing", message = "the operator has not seen this generation yet"}
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "being deleted"
  return health
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local function holds(type)
  return conditions[type] ~= nil and conditions[type].status == "True"
end
if conditions.Ready ~= nil then
  health.message = conditions.Ready.reason .. ": " .. conditions.Ready.message
end
if holds("Stalled") then
  health.status = "Degraded"
elseif not holds("Reconciling") and holds("Ready") then
  health.status = "Healthy"
elseif obj.spec.suspend then
  health.status = "Suspended"
end
return health
