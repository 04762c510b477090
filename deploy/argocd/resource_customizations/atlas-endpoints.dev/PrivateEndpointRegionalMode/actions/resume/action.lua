-- Copied by `make generate` from ServerlessPrivateEndpoint; do not edit.

-- Has the operator care for this resource again.

obj.spec.suspend = false
return obj
