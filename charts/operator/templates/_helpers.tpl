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

{{- define "operator.image" -}}
{{- $tag := .Values.image.tag | default (ternary "" .Chart.AppVersion (not (empty .Values.image.digest))) -}}
{{ .Values.image.repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/*
What the operator calls in a namespace that it watches; every rule says why. An apply is a patch, and a create where the
object is new. The informer lists and watches; a child is read once before its first apply, and before its deletion.
*/}}
{{- define "operator.rules" -}}
# The informer of the resources, and the read before every reconcile. Never a write: the spec is the user's.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis]
  verbs: [get, list, watch]
# Conditions and counts, by an apply to an object that exists.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis/status]
  verbs: [patch]
# Children hold back the foreground deletion of their owner (blockOwnerDeletion): where OwnerReferencesPermissionEnforcement
# is on, only who may write the owner's finalizers may say so.
- apiGroups: [analytics.llm-observatory.io]
  resources: [analyticsapis/finalizers]
  verbs: [update]
# The settings of pods, by name and hash; deleted when no ReplicaSet reads them any more.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# The pods' identity and address: they go with their owner, never before.
- apiGroups: [""]
  resources: [serviceaccounts, services]
  verbs: [get, list, watch, create, patch]
# The pods of the API; as above.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
# From two replicas on; deleted when one is wanted.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# Where spec.autoscaling is given; deleted when it is not any more.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
# Migrations: each attempt is created once and never changed; all but the last success and failure are deleted, and one
# that makes no pod.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# Referenced Secrets are read by name; the generated one is created. No list, no watch, no change.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
# Why pods do not start, and what a migration left in its termination message.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# Which ConfigMaps old pods still read.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
# What people would want to know.
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
