{{/*
What the schema cannot say: values that contradict each other. Each message names the values and the way out.
*/}}
{{- define "atlas-endpoints.validate" -}}
{{- $problems := list }}
{{- if kindIs "invalid" .Values.watchNamespaces }}
{{- $problems = append $problems "watchNamespaces is null, and empty it means all namespaces. Name those that are meant, or set it to [] for all." }}
{{- end }}
{{- if kindIs "invalid" .Values.rbac.secretNames }}
{{- $problems = append $problems "rbac.secretNames is null, and empty it means all Secrets. Name those that are meant, or set it to [] for all." }}
{{- end }}
{{- if kindIs "invalid" .Values.credentials.namespaces }}
{{- $problems = append $problems "credentials.namespaces is null, and empty it means all namespaces. Name those whose resources may use credentials.existingSecret, or set it to [] for all." }}
{{- else if and .Values.credentials.namespaces (not .Values.credentials.existingSecret) }}
{{- $problems = append $problems "credentials.namespaces says who may use credentials.existingSecret, and that is empty. Name the Secret or remove the namespaces." }}
{{- else if and .Values.credentials.namespaces .Values.watchNamespaces }}
{{- $both := list }}
{{- range .Values.credentials.namespaces }}
{{- if has . $.Values.watchNamespaces }}
{{- $both = append $both . }}
{{- end }}
{{- end }}
{{- if not $both }}
{{- $problems = append $problems "credentials.namespaces has none of watchNamespaces, so that nobody could use credentials.existingSecret. Name some of them, or set it to [] for all." }}
{{- end }}
{{- end }}
{{- if not .Values.leaderElection.enabled }}
{{- if gt (int .Values.replicas) 1 }}
{{- $problems = append $problems (printf "replicas is %d and leaderElection.enabled is false: without a Lease, each replica would send what all of them decide. Set replicas to 1 or leaderElection.enabled to true." (int .Values.replicas)) }}
{{- end }}
{{- if ne (.Values.strategy | default dict | dig "type" "Recreate") "Recreate" }}
{{- $problems = append $problems "strategy.type must be Recreate while leaderElection.enabled is false: without a Lease, the old and the new Pod would both send what they decide. Leave strategy empty or set leaderElection.enabled to true." }}
{{- end }}
{{- end }}
{{- with .Values.podDisruptionBudget }}
{{- if and (not (kindIs "invalid" .minAvailable)) (not (kindIs "invalid" .maxUnavailable)) }}
{{- $problems = append $problems "podDisruptionBudget has both minAvailable and maxUnavailable, and Kubernetes takes only one of them. Remove one." }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- $problems = append $problems "metrics.serviceMonitor and metrics.podMonitor are both enabled, and every sample would be taken twice. Disable one of them." }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- $problems = append $problems "metrics.serviceMonitor finds Pods by the Service, and metrics.service.enabled is false. Enable it or use metrics.podMonitor." }}
{{- end }}
{{- if and .Values.simulator.enabled .Values.settings.atlasUrl }}
{{- $problems = append $problems (printf "simulator.enabled is true and settings.atlasUrl is %q, and the operator talks to one Atlas only. Disable the simulator, or remove the address." .Values.settings.atlasUrl) }}
{{- end }}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret }}
{{- $problems = append $problems "caBundle has both configMap and secret. Keep the one that holds the certificates." }}
{{- end }}
{{- if and .Values.credentials.namespace (not .Values.credentials.existingSecret) }}
{{- $problems = append $problems "credentials.namespace says where credentials.existingSecret is, and that is empty. Name the Secret or remove the namespace." }}
{{- end }}
{{- if and .Values.rbac.aggregateTo.edit .Values.rbac.aggregateTo.admin }}
{{- $problems = append $problems "rbac.aggregateTo.edit includes the role admin, to which rbac.aggregateTo.admin would restrict it. Enable one of them." }}
{{- end }}
{{- range $name := include "atlas-endpoints.duplicates" (include "atlas-endpoints.env" . | fromYamlArray) | fromYamlArray }}
{{- $problems = append $problems (printf "extraEnv sets %s twice, or once more than the chart does, and of two entries with one name Kubernetes takes only one. Use the value of the chart for it (settings, proxy and others)." $name) }}
{{- end }}
{{- range $name := include "atlas-endpoints.duplicates" (include "atlas-endpoints.volumes" . | fromYamlArray) | fromYamlArray }}
{{- $problems = append $problems (printf "extraVolumes has a volume %s twice, or once more than the chart does. Give it another name." $name) }}
{{- end }}
{{- $containers := concat (list (dict "name" "operator")) (.Values.initContainers | default list) (.Values.extraContainers | default list) }}
{{- range $name := include "atlas-endpoints.duplicates" $containers | fromYamlArray }}
{{- $problems = append $problems (printf "extraContainers or initContainers have a container %s twice, or once more than the chart does. Give it another name." $name) }}
{{- end }}
{{- $alerts := list }}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups }}
{{- range .rules }}
{{- $alerts = append $alerts .alert }}
{{- end }}
{{- end }}
{{- range .Values.metrics.prometheusRule.disabled }}
{{- if not (has . $alerts) }}
{{- $problems = append $problems (printf "metrics.prometheusRule.disabled names %s, and there is no such alert. There are: %s." . (join ", " $alerts)) }}
{{- end }}
{{- end }}
{{- $problems = concat $problems (include "atlas-endpoints.unreadable" . | fromYamlArray) }}
{{- with $problems }}
{{- fail (printf "\n- %s" (join "\n- " .)) }}
{{- end }}
{{- end }}

{{/* The names that several entries of a list have: a list, as YAML. */}}
{{- define "atlas-endpoints.duplicates" -}}
{{- $seen := list }}
{{- $twice := list }}
{{- range . }}
{{- if has .name $seen }}
{{- $twice = append $twice .name }}
{{- end }}
{{- $seen = append $seen .name }}
{{- end }}
{{- $twice | uniq | toYaml }}
{{- end }}

{{/*
Settings that the operator would refuse when it starts: problems, as a YAML list. They are not in the schema, whose messages
would show a regular expression.
*/}}
{{- define "atlas-endpoints.unreadable" -}}
{{- $problems := list }}
{{- range $name := .Values.watchNamespaces | default list }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" $name) }}
{{- $problems = append $problems (printf "watchNamespaces has %q, which is no name of a namespace. Patterns are not supported; name each namespace, or select resources by settings.labelSelector." $name) }}
{{- end }}
{{- end }}
{{- $settings := .Values.settings }}
{{- with $settings.atlasUrl }}
{{- $port := regexFind "^https?://[^/]*:[0-9]+(/|$)" . | trimSuffix "/" | regexFind "[0-9]+$" | default "0" }}
{{- if or (not (regexMatch "^https?://([^][/?#@:]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{0,5})?(/[^?#@]*)?$" .)) (gt (int $port) 65535) }}
{{- $problems = append $problems (printf "settings.atlasUrl is %q. It must start with https:// and name a host, such as https://cloud.mongodb.com, without a user, query or fragment." .) }}
{{- else if contains "/api/atlas" . }}
{{- $problems = append $problems (printf "settings.atlasUrl is %q. It must end before /api/atlas: the operator adds the path of each call." .) }}
{{- else if not (or (hasPrefix "https://" .) $settings.allowPlainHttp (regexMatch "^http://(([^/:]*[.])?localhost|127([.][0-9]{1,3}){3}|\\[::1\\])(:[0-9]+)?(/.*)?$" .)) }}
{{- $problems = append $problems (printf "settings.atlasUrl is %q, plain http, which would show credentials to everybody on the way. Use https, or set settings.allowPlainHttp to true on a test cluster." .) }}
{{- end }}
{{- end }}
{{- with $settings.maxCorrections }}
{{- if not (regexMatch "^([0-9]{1,6}|([1-9]|[1-9][0-9]|100)%)$" (. | toString)) }}
{{- $problems = append $problems (printf "settings.maxCorrections is \"%v\". It must be a share from 1%% to 100%%, or a number of resources such as 50; 0 holds all corrections back." .) }}
{{- end }}
{{- end }}
{{- with $settings.syncInterval }}
{{- $seconds := include "atlas-endpoints.seconds" . | float64 }}
{{- if or (lt $seconds 1.0) (gt $seconds 86400.0) }}
{{- $problems = append $problems (printf "settings.syncInterval is %q. It must be a duration from 1s to 24h, such as 90s, 10m or 1h30m." .) }}
{{- end }}
{{- end }}
{{- with $settings.labelSelector }}
{{- $key := "([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?" }}
{{- $value := "([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?" }}
{{- $term := printf `(!? *%s|%s *(=|==|!=) *%s|%s +(in|notin) *\( *%s( *, *%s)* *\))` $key $key $value $key $value $value }}
{{- if not (regexMatch (printf `^ *%s *(, *%s *)*$` $term $term) .) }}
{{- $problems = append $problems (printf "settings.labelSelector is %q, which is no label selector. Write it as for kubectl get -l, such as team=shop or team in (shop, billing)." .) }}
{{- end }}
{{- end }}
{{- with $settings.kinds }}
{{- $known := list }}
{{- range $path, $_ := $.Files.Glob "files/crds/*.yaml" }}
{{- $known = append $known ($.Files.Get $path | fromYaml).spec.names.kind }}
{{- end }}
{{- range splitList "," . }}
{{- if not (has (trim .) $known) }}
{{- $problems = append $problems (printf "settings.kinds has %q, which is no kind of the operator. The kinds are: %s." . (join ", " $known)) }}
{{- end }}
{{- end }}
{{- end }}
{{- with $settings.stallGrace }}
{{- if lt (include "atlas-endpoints.seconds" . | float64) 0.0 }}
{{- $problems = append $problems (printf "settings.stallGrace is %q. It must be a duration, such as 0s, 90s or 2m." .) }}
{{- end }}
{{- end }}
{{- with .Values.leaderElection.leaseDuration }}
{{- $seconds := include "atlas-endpoints.seconds" . | float64 }}
{{- if or (lt $seconds 6.0) (gt $seconds 600.0) (ne $seconds (floor $seconds)) }}
{{- $problems = append $problems (printf "leaderElection.leaseDuration is %q. It must be whole seconds from 6s to 10m, such as 45s." .) }}
{{- end }}
{{- end }}
{{- $problems | toYaml }}
{{- end }}

{{/* How many seconds a duration is, such as `1h30m`; -1 if it is none. */}}
{{- define "atlas-endpoints.seconds" -}}
{{- if regexMatch "^(0|([0-9]+([.][0-9]+)?(ms|s|m|h))+)$" . }}
{{- $seconds := 0.0 }}
{{- range regexFindAll "[0-9]+([.][0-9]+)?(ms|s|m|h)" . -1 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $seconds = addf $seconds (mulf (trimSuffix $unit . | float64) (get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) $unit)) }}
{{- end }}
{{- $seconds }}
{{- else -}}
-1
{{- end }}
{{- end }}
