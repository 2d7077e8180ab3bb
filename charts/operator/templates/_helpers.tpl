{{- define "operator.labels" -}}
app.kubernetes.io/name: analytics-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: llm-observatory
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "operator.selector" -}}
app.kubernetes.io/name: analytics-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "operator.serviceAccount" -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- end }}

{{- define "operator.image" -}}
{{- $tag := .Values.image.tag | default (ternary "" .Chart.AppVersion (not (empty .Values.image.digest))) -}}
{{ .Values.image.repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/*
The calls that the operator makes in a namespace that it watches; each rule gives its reason. An apply is a patch, and a
create if the object is new. The informer lists and watches; a child is read once before its first apply, and before its
deletion.
*/}}
{{- define "operator.rules" -}}
# The informer of the resources, and the read at the start of a reconcile. Never a write: the spec is the user's.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis]
  verbs: [get, list, watch]
# Conditions and replica counts, by an apply to an existing object.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis/status]
  verbs: [patch]
# Children block the foreground deletion of their owner (blockOwnerDeletion). If OwnerReferencesPermissionEnforcement is
# enabled, setting it needs the privilege to update the owner's finalizers.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis/finalizers]
  verbs: [update]
# The settings of pods, named by hash; deleted when no ReplicaSet uses them any more.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# The pods' identity: garbage-collected with its owner, never deleted before.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch, create, patch]
# Their addresses; that of the metrics alone is deleted when spec.service publishes the other no more.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
# The pods of the API and the worker, as above; those that only take rows are deleted when spec.ingest wants none.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# From two replicas on; deleted when one is desired.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# If spec.autoscaling is set; deleted when it is removed.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
# If spec.ingress or spec.networkPolicy is set; deleted when it is removed.
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# If spec.gateway is set and the Gateway API is installed; deleted when it is removed. Not watched: its CRD may come
# later.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, create, patch, delete]
# If spec.monitoring is set and the Prometheus Operator is installed; as above.
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors, servicemonitors, prometheusrules]
  verbs: [get, create, patch, delete]
# Migrations: each attempt is created once and never changed. All but the last success and the last failure are deleted,
# and an attempt that gets no pod.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# Referenced Secrets are read by name; the generated one is created. No list, no watch, no change.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
# Why pods do not start, and the termination message of a migration.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# Which ConfigMaps old pods still use.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
# Events on the resources.
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
