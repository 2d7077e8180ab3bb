"""Every condition and reason with its meaning and its cure: the source of docs/operator/conditions.md.

`make docs` writes the page. A reason that is missing here fails a test.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analytics_operator.api.conditions import Reason, Type

Reasons = Mapping[str, str]
"""What to do, by reason."""

NOTHING = "nothing to do"
READ = "read the message of Migrated"

ROLLOUT: Reasons = {
    Reason.NOT_DEPLOYED: "wait for the migration; Migrated says how far it is",
    Reason.ROLLING_OUT: "wait: pods are being replaced",
    Reason.IMAGE_PULL_FAILED: "correct `spec.image`, or `image.pullSecrets`; the message has the kubelet's words",
    Reason.CONTAINER_FAILING: "read the pod's log; old pods serve meanwhile",
    Reason.UNSCHEDULABLE: "add room, or lower `spec.resources`; the message has the scheduler's words",
    Reason.DEADLINE_EXCEEDED: "`kubectl describe` the newest pods: nothing moved for ten minutes",
    Reason.REFUSED: "the message names the child and the API server's words",
    Reason.FORBIDDEN: "give the operator the rule of the chart's Role that is missing",
    Reason.QUOTA_EXCEEDED: "raise the ResourceQuota, or lower replicas or `spec.resources`; it is tried again",
    Reason.ADMISSION_REFUSED: "change the policy, the webhook or the Pod Security level that refuses the child",
    Reason.INVALID: "the API server refuses a child as it is: the message names the field of the spec it comes from",
    Reason.PROTECTED_VARIABLE: "remove the variable from the source that the message names: the operator sets it",
    Reason.CHILD_CONFLICT: "delete or rename the object that has the name of a child, or rename this resource",
    Reason.SECRET_UNCONFIRMED: "run the message's command if an earlier resource has left the Secret; else delete it",
    Reason.INVALID_SPEC: "upgrade the operator: it cannot read what the CRD accepts",
    Reason.SUSPENDED: "set `spec.suspend` to false to apply what the message names",
}

_OF_A_CHILD = (
    Reason.REFUSED,
    Reason.FORBIDDEN,
    Reason.QUOTA_EXCEEDED,
    Reason.ADMISSION_REFUSED,
    Reason.INVALID,
    Reason.CHILD_CONFLICT,
)
REFUSALS: Reasons = {reason: ROLLOUT[reason] for reason in _OF_A_CHILD}

SECRETS: Reasons = {
    Reason.PRESENT: NOTHING,
    Reason.SECRET_MISSING: "create the Secret that the message names",
    Reason.KEY_MISSING: "add the key, or name another one",
    Reason.VALUE_EMPTY: "set the value",
    Reason.VALUE_TOO_SHORT: "use 32 random bytes or more",
    Reason.INVALID_GENERATED_SECRET: "restore the Secret's value, or delete the Secret to get a new one; tokens end",
}

MIGRATION: Reasons = {
    "Applied": NOTHING,
    "UpToDate": NOTHING,
    "NewerCompatible": "nothing to do: a later release made the schema, and this one can serve it",
    Reason.MIGRATED: NOTHING,
    Reason.MIGRATING: "wait: pods are released when the Job is done",
    Reason.PLANNING: "wait: a Job finds out what the migration would change",
    Reason.AWAITING_APPROVAL: "run the message's command to approve the plan of `status.migrationPlan`",
    Reason.PODS_REFUSED: "correct the field of the pods that Ready names",
    Reason.WAITING_FOR_SECRETS: "see SecretsReady",
    Reason.SUPERSEDED: "wait: a Job of an earlier spec is still running",
    Reason.SUSPENDED: "set `spec.suspend` to false",
    Reason.POD_NOT_CREATED: "`kubectl describe job`: a quota or an admission refuses its pod",
    Reason.IMAGE_PULL_FAILED: "correct `spec.image`; taken back, the Job goes at once",
    Reason.CONTAINER_FAILING: "read the log of the Job's pod",
    Reason.UNSCHEDULABLE: "add room for the Job's pod",
    "DatabaseUnreachable": "check the URL, the server and network policies; it is tried again without end",
    "AuthenticationFailed": "correct user or password in the Secret of `database.urlSecretRef`",
    "PermissionDenied": "grant the privilege that the message names",
    "ReadOnlyDatabase": "name the primary in `database.urlSecretRef`",
    "LockTimeout": "end the transaction that the message names, or wait",
    "DiskFull": "give the database room",
    "PoolerInTheWay": "name the server itself, not a pooler: migrations need sessions of their own",
    "LicenceChanged": "give TimescaleDB the licence back under which it stored the data",
    "ServerTooOld": "upgrade PostgreSQL or TimescaleDB to what the message names",
    "UnsupportedDatabase": "use PostgreSQL 15 or later",
    "OldReleasesConnected": "wait until pods of older releases are gone, or end them",
    "HistoryEdited": "use the release that made the schema: an applied migration is another than this image's",
    "DatabaseNewer": "use an image of the release that made the schema, or later",
    "InvalidSettings": "correct the setting that the message names",
    Reason.MIGRATION_FAILED: READ,
    "Terminated": "nothing to do: it is tried again where it was stopped",
    "NoResult": "read the events of the Job: it ended without a result",
}

WORKER: Reasons = {
    Reason.WORKER_UNAVAILABLE: "the message names the pod, the refusal, or the resource whose worker leads",
}

EXPLAINED: Mapping[Type, tuple[str, Reasons]] = {
    Type.READY: (
        (
            "Everything is as declared, and requests are answered. Otherwise the reason is the first cause in this "
            "order: children, Secrets, migration, database, suspend, roll-out."
        ),
        {
            Reason.AS_DECLARED: NOTHING,
            Reason.DATABASE_UNREACHABLE: "see Available",
            Reason.PODS_UNREACHABLE: "see Available",
            **{each: "see SecretsReady" for each in SECRETS if each != Reason.PRESENT},
            Reason.MIGRATION_FAILED: READ,
            Reason.MIGRATING: MIGRATION[Reason.MIGRATING],
            Reason.PLANNING: MIGRATION[Reason.PLANNING],
            Reason.AWAITING_APPROVAL: MIGRATION[Reason.AWAITING_APPROVAL],
            Reason.WAITING_FOR_SECRETS: "see SecretsReady",
            Reason.SUPERSEDED: MIGRATION[Reason.SUPERSEDED],
            Reason.POD_NOT_CREATED: MIGRATION[Reason.POD_NOT_CREATED],
            **ROLLOUT,
        },
    ),
    Type.AVAILABLE: (
        (
            "Pods serve, and at least one reaches the database. Pods stay in the Service without it: each answer is a "
            "503 that says so."
        ),
        {
            Reason.AVAILABLE: NOTHING,
            Reason.UNAVAILABLE: "see Progressing and Ready",
            Reason.NOT_DEPLOYED: ROLLOUT[Reason.NOT_DEPLOYED],
            Reason.DATABASE_UNREACHABLE: "bring the database back; `kubectl logs deployment/NAME` says more",
            Reason.PODS_UNREACHABLE: "let the operator reach port 8080 of the API's pods; Unknown until then",
        },
    ),
    Type.CACHE_AVAILABLE: (
        (
            "At least one pod reaches Redis. Without it answers are slower, and each pod limits rates by itself; Ready "
            "does not depend on it. Shown with `spec.redis`."
        ),
        {
            Reason.REACHABLE: NOTHING,
            Reason.REDIS_UNREACHABLE: "bring Redis back, or correct the setting that the message names",
            Reason.PODS_UNREACHABLE: "as of Available",
        },
    ),
    Type.PROGRESSING: (
        "Pods are being replaced, or will be once the database is migrated.",
        {
            Reason.MIGRATING: MIGRATION[Reason.MIGRATING],
            Reason.NOT_DEPLOYED: ROLLOUT[Reason.NOT_DEPLOYED],
            Reason.RELEASED: NOTHING,
            Reason.ROLLING_OUT: ROLLOUT[Reason.ROLLING_OUT],
            Reason.DEADLINE_EXCEEDED: ROLLOUT[Reason.DEADLINE_EXCEEDED],
            **{
                each: ROLLOUT[each]
                for each in (
                    Reason.REFUSED,
                    Reason.FORBIDDEN,
                    Reason.QUOTA_EXCEEDED,
                    Reason.ADMISSION_REFUSED,
                    Reason.IMAGE_PULL_FAILED,
                    Reason.CONTAINER_FAILING,
                    Reason.UNSCHEDULABLE,
                )
            },
        },
    ),
    Type.SECRETS_READY: ("Every Secret that the pods read is there, with the keys that they read.", SECRETS),
    Type.MIGRATED: (
        (
            "The database has the schema of the image. Reasons of failures are those of `migrate`; failures of the "
            "surroundings are tried again without end, others `migrations.backoffLimit` times."
        ),
        MIGRATION,
    ),
    Type.CONNECTION_BUDGET: (
        (
            "The database allows all connections that pods may open: those of this resource, and of all resources "
            "whose workers report the same server, role or database. A warning: Ready does not depend on it."
        ),
        {
            Reason.WITHIN_LIMIT: NOTHING,
            Reason.EXCEEDS_LIMIT: "set `database.connectionBudget` of the resources named, or lower their replicas",
        },
    ),
    Type.POLICIES_APPLIED: (
        "Retention, compression and chunks of the store are as `spec.timescale` says; `status.policies` has each.",
        {
            Reason.APPLIED: NOTHING,
            "Pending": "wait: the change loses nothing",
            "DestructiveChange": "rows would be lost: set `migrations.allowDestructive` to the plan named, or undo it",
            "Invalid": "correct the field of `spec.timescale` that the message names",
            "Failed": "the message has the database's words; it is tried again",
            Reason.POLICIES_CONFLICT: "give both resources the same `spec.timescale`, or each a database of its own",
            Reason.ROLLING_OUT: "wait: the worker's pods are being replaced",
            Reason.SUSPENDED: "set `spec.suspend` to false",
            **WORKER,
        },
    ),
    Type.DATA_FRESH: (
        "Rollups, partitions and jobs keep up, as the worker that leads reports.",
        {
            "Fresh": NOTHING,
            "RollupsLag": "give the worker or the database more CPU; the message says how late rollups are",
            "JobsFailing": "the message has the failure of the job",
            "PartitionsShort": "the message says what keeps partitions from being made",
            "OldSnapshot": "end the transaction, slot or standby that the message names: it keeps dead rows",
            **WORKER,
        },
    ),
    Type.PRICES_LOADED: (
        "The price books of `spec.prices` can be read. Shown with that field.",
        {
            Reason.LOADED: NOTHING,
            Reason.BOOK_INVALID: "correct the line of the ConfigMap that the message names",
            Reason.CONFIG_MAP_MISSING: "create the ConfigMap, with a book in each key",
            Reason.ROLLING_OUT: "wait: the worker's pods are being replaced",
            Reason.SUSPENDED: "set `spec.suspend` to false",
            Reason.SETTINGS_UNKNOWN: "name a later image",
            **WORKER,
        },
    ),
    Type.INGEST_AVAILABLE: (
        "Pods that only take rows do so. Shown with `ingest.replicas`.",
        {
            Reason.AVAILABLE: NOTHING,
            Reason.UNAVAILABLE: "see Ready",
            Reason.NOT_DEPLOYED: ROLLOUT[Reason.NOT_DEPLOYED],
        },
    ),
    Type.SCALING_ACTIVE: (
        (
            "The autoscaler has metrics, in its own words: other reasons are those of the HorizontalPodAutoscaler. "
            "Shown with `spec.autoscaling`."
        ),
        {Reason.METRICS_AWAITED: "wait; if it stays, install metrics-server"},
    ),
    Type.CONTESTED: (
        "Somebody changes what the operator applies, three times in ten minutes or more. Shown only while True.",
        {
            Reason.CONTESTED_REPLICAS: "remove your HorizontalPodAutoscaler, and set `spec.autoscaling`",
            Reason.CONTESTED_FIELD: "have the manager that the message names leave the field",
        },
    ),
    Type.ROUTES_CONFIGURED: (
        (
            "Ingress and HTTPRoute are as declared, and every Gateway accepts the route: the operator looks for its "
            "answer after ten seconds, and ever more seldom up to ten minutes. Shown with `spec.ingress` or "
            "`spec.gateway`."
        ),
        {
            Reason.APPLIED: NOTHING,
            Reason.GATEWAY_AWAITED: "wait; if it stays, see that Gateway and controller are there, and its listeners",
            Reason.ROUTE_NOT_ACCEPTED: "the message has the Gateway's words: its listeners decide who is admitted",
            Reason.KIND_NOT_INSTALLED: "install what the message names, or remove the section",
            Reason.SECRET_MISSING: "make the Secret of `ingress.tls`, or have cert-manager fill it",
            Reason.RATE_LIMIT_UNSUPPORTED: "as the message says, or remove `ingress.rateLimitPerSecond`",
            Reason.RATE_LIMIT_UNVERIFIED: "see that your controller reads the annotations; nothing else has to be done",
            Reason.SUSPENDED: ROLLOUT[Reason.SUSPENDED],
            **REFUSALS,
        },
    ),
    Type.MONITORING_CONFIGURED: (
        "Monitors, rules and dashboard are as declared. Shown with `spec.monitoring`.",
        {
            Reason.APPLIED: NOTHING,
            Reason.KIND_NOT_INSTALLED: "install the Prometheus Operator's CRDs, or remove the section",
            Reason.SUSPENDED: ROLLOUT[Reason.SUSPENDED],
            **REFUSALS,
        },
    ),
    Type.CRD_OUTDATED: (
        "The API server drops fields that this operator knows. Shown only while True.",
        {Reason.OLDER_THAN_OPERATOR: "upgrade the chart `charts/crds`"},
    ),
    Type.IMAGE_OUTDATED: (
        "Fields of the spec have no effect with this image. Shown only while True.",
        {Reason.SETTINGS_UNKNOWN: "name a later image, or remove the fields"},
    ),
    Type.RECONCILING: ("The operator is on its way to what is declared; its reason is that of Ready.", {}),
    Type.STALLED: (
        "Nothing goes on before somebody helps; the reason is that of Ready.",
        {Reason.NOT_STALLED: "nothing to do, or wait: the message says which"},
    ),
}


@dataclass(frozen=True)
class Row:
    condition: Type
    reason: str
    cure: str


def rows() -> Iterator[Row]:
    for condition, (_, reasons) in EXPLAINED.items():
        yield from (Row(condition, str(reason), cure) for reason, cure in reasons.items())


def page() -> str:
    """docs/operator/conditions.md."""
    parts = [
        "<!-- DO NOT EDIT: generated from status/reference.py by `make docs`. -->",
        "# Conditions",
        "",
        "`kubectl get aapi NAME -o wide` shows the reason and the message of Ready; `kubectl describe aapi NAME` shows",
        "all, with the Events. A message names the field or the object, and the cure.",
    ]
    for condition, (meaning, reasons) in EXPLAINED.items():
        parts += ["", f"## {condition}", "", meaning]
        if reasons:
            parts += ["", "| reason | what to do |", "|---|---|"]
            parts += [f"| {reason} | {cure} |" for reason, cure in reasons.items()]
    return "\n".join([*parts, ""])
