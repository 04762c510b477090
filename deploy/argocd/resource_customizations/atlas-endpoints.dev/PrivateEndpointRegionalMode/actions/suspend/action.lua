-- Copied by `make generate` from ServerlessPrivateEndpoint; do not edit.

-- Has the operator make no call to Atlas for this resource.

obj.spec.suspend = true
return obj
