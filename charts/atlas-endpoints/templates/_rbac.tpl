{{/* The resources of CRDs, each with a suffix, as a list. Takes a dict: root (the context), suffix, kinds (those alone; empty: all). */}}
{{- define "atlas-endpoints.resources" -}}
{{- $names := list }}
{{- $served := .kinds | default "" | replace " " "" | splitList "," }}
{{- range $path, $_ := .root.Files.Glob "files/crds/*.yaml" }}
{{- $of := ($.root.Files.Get $path | fromYaml).spec.names }}
{{- if or (not $.kinds) (has $of.kind $served) }}
{{- $names = append $names (printf "%s%s" $of.plural $.suffix) }}
{{- end }}
{{- end }}
{{- printf "[%s]" (join ", " $names) }}
{{- end }}

{{/* What the operator may do with its resources, in the cluster or in a namespace: rules, as YAML. */}}
{{- define "atlas-endpoints.resourceRules" -}}
{{- $kinds := .Values.settings.kinds }}
{{- if .Values.outputs.enabled }}
# The ConfigMaps that resources want written, each by its name.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create, get, patch]
{{- end }}
- apiGroups: [atlas-endpoints.dev]
  resources: {{ include "atlas-endpoints.resources" (dict "root" . "suffix" "" "kinds" $kinds) }}
  # patch: the finalizer of what is deleted with its endpoint, and the annotation that tells which endpoint was reserved.
  verbs: [get, list, patch, watch]
- apiGroups: [atlas-endpoints.dev]
  resources: {{ include "atlas-endpoints.resources" (dict "root" . "suffix" "/status" "kinds" $kinds) }}
  verbs: [patch]
# Events about the resources, beside them.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
# The Secrets that resources and Namespaces name, each read by its name. Without list and watch nobody can enumerate Secrets
# with it.
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.rbac.secretNames }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [get]
# The Namespaces of resources that name no Secret, for the annotation by which they may name one; a Role reaches its own alone.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- if .Values.references.configMaps }}
# ConfigMaps that resources name, each read by its name.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- end }}
{{- with .Values.references.kinds }}
# What resources may refer to, each object read by its name.
{{- range . }}
- apiGroups: [{{ . | splitList "." | rest | join "." | quote }}]
  resources: [{{ . | splitList "." | first | quote }}]
  verbs: [get]
{{- end }}
{{- end }}
{{- end }}

{{/* What it may do with the CRDs: rules, as YAML. Whoever names the namespaces needs the CRDs before the operator starts. */}}
{{- define "atlas-endpoints.crdRules" -}}
# The operator's CRDs, so that they may be installed after the operator, or replaced.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: {{ include "atlas-endpoints.resources" (dict "root" . "suffix" ".atlas-endpoints.dev" "kinds" .Values.settings.kinds) }}
  verbs: [list, watch]
{{- end }}

{{/* What it may do with its Lease: rules, as YAML. */}}
{{- define "atlas-endpoints.leaseRules" -}}
# The one Lease by which one replica leads.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "atlas-endpoints.leaseName" . | quote }}]
  verbs: [get, update]
# What does not exist yet has no name that a rule could go by.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
{{- end }}

{{/* What it may do with a Secret of its own that the other rules do not cover: rules, as YAML. */}}
{{- define "atlas-endpoints.credentialsRules" -}}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ quote .Values.credentials.existingSecret }}]
  verbs: [get]
{{- end }}

{{/*
A role, and its binding to the operator's ServiceAccount.
Takes a dict: root (the context), name, namespace (empty for a ClusterRole), rules (as YAML).
*/}}
{{- define "atlas-endpoints.role" -}}
{{- $kind := empty .namespace | ternary "ClusterRole" "Role" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- include "atlas-endpoints.metadata" . | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- include "atlas-endpoints.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ quote .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "atlas-endpoints.serviceAccountName" .root | quote }}
    namespace: {{ quote .root.Release.Namespace }}
{{- end }}
