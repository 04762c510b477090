{{/*
The operator's environment: a list, as YAML.
What has the operator's own default is left out, so that `kubectl describe` shows what somebody has chosen.
*/}}
{{- define "atlas-endpoints.env" -}}
{{- $settings := dict }}
{{- range $name, $value := .Values.settings }}
{{- if not (has $value (list nil "")) }}
{{- $_ := set $settings (snakecase $name) (kindIs "float64" $value | ternary (toString (int $value)) (toString $value)) }}
{{- end }}
{{- end }}
{{- if .Values.simulator.enabled }}
{{- $_ := set $settings "atlas_url" (printf "http://%s.%s:8090" (include "atlas-endpoints.simulatorName" .) .Release.Namespace) }}
{{- $_ := set $settings "allow_plain_http" "true" }}
{{- end }}
{{- with .Values.watchNamespaces }}
{{- $_ := set $settings "namespaces" (join "," .) }}
{{- end }}
{{- with .Values.credentials.existingSecret }}
{{- $_ := set $settings "credentials_secret" (printf "%s/%s" (include "atlas-endpoints.credentialsNamespace" $) .) }}
{{- end }}
{{- with .Values.credentials.namespaces }}
{{- $_ := set $settings "credentials_namespaces" (join "," .) }}
{{- end }}
{{- with .Values.references.kinds }}
{{- if ne (join "," .) "vpcendpoints.ec2.services.k8s.aws,privateendpoints.network.azure.com,computeforwardingrules.compute.cnrm.cloud.google.com,computeaddresses.compute.cnrm.cloud.google.com,atlasprojects.atlas.mongodb.com" }}
{{- $_ := set $settings "reference_kinds" (join "," .) }}
{{- end }}
{{- end }}
{{- if .Values.outputs.enabled }}
{{- $_ := set $settings "outputs" "true" }}
{{- end }}
{{- if or .Values.caBundle.configMap .Values.caBundle.secret }}
{{- $_ := set $settings "ca_file" (include "atlas-endpoints.caFile" .) }}
{{- end }}
{{- if not .Values.leaderElection.enabled }}
{{- $_ := set $settings "leader_elect" "false" }}
{{- else }}
{{- if ne (include "atlas-endpoints.leaseName" .) "atlas-endpoints" }}
{{- $_ := set $settings "lease_name" (include "atlas-endpoints.leaseName" .) }}
{{- end }}
{{- with .Values.leaderElection.leaseNamespace }}
{{- $_ := set $settings "lease_namespace" . }}
{{- end }}
{{- with .Values.leaderElection.leaseDuration }}
{{- $_ := set $settings "lease_duration" . }}
{{- end }}
{{- end }}
{{- $address := printf "%s:%d" .Values.http.bindAddress (int .Values.http.port) }}
{{- if ne $address "0.0.0.0:8080" }}
{{- $_ := set $settings "http_address" $address }}
{{- end }}
{{- range $name, $value := $settings }}
- name: ATLAS_ENDPOINTS_{{ upper $name }}
  value: {{ quote $value }}
{{- end }}
{{- with .Values.proxy.https }}
- name: HTTPS_PROXY
  value: {{ quote . }}
{{- end }}
{{- with .Values.proxy.http }}
- name: HTTP_PROXY
  value: {{ quote . }}
{{- end }}
{{- /* A proxy from a Secret must not be on the way to the API server either. */}}
{{- $given := list }}
{{- range .Values.extraEnv }}
{{- $given = append $given (upper .name) }}
{{- end }}
{{- $hidden := and (or (has "HTTPS_PROXY" $given) (has "HTTP_PROXY" $given)) (not (has "NO_PROXY" $given)) }}
{{- if or .Values.proxy.https .Values.proxy.http $hidden }}
- name: NO_PROXY
  value: {{ prepend (without (.Values.proxy.noProxy | default "" | splitList ",") "") "$(KUBERNETES_SERVICE_HOST)" | join "," | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
