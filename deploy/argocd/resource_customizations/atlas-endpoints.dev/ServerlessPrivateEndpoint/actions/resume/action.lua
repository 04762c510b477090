-- Has the operator care for this resource again.

obj.spec.suspend = false
return obj
