"""Problems of pods, read from their container statuses, and the last words of finished containers. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from analytics_operator.api.conditions import Reason
from analytics_operator.kube.objects import Manifest, condition

PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
FAILING = frozenset({"CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
JOB_NAME = "batch.kubernetes.io/job-name"
JOB_UID = "batch.kubernetes.io/controller-uid"
CREDENTIALS_IN_URL = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True, kw_only=True)
class PodProblem:
    reason: Reason
    message: str


def problem(pods: Iterable[Manifest]) -> PodProblem | None:
    """The problem of the first failing pod, by name; None where every pod runs."""
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        scheduled = condition(pod, "PodScheduled") or {}
        if scheduled.get("reason") == "Unschedulable":
            text = f"no node takes Pod {pod['metadata']['name']}: {scheduled.get('message', 'no message')}"
            return PodProblem(reason=Reason.UNSCHEDULABLE, message=text)
        for container in pod.get("status", {}).get("containerStatuses", []):
            found = _waiting(pod, container)
            if found:
                return found
    return None


def _waiting(pod: Manifest, container: Manifest) -> PodProblem | None:
    waiting = container.get("state", {}).get("waiting", {})
    why = waiting.get("reason")
    name = pod["metadata"]["name"]
    if why in PULL:
        text = f"Pod {name} cannot pull {container['image']} ({why}): {waiting.get('message', 'no message')}"
        return PodProblem(reason=Reason.IMAGE_PULL_FAILED, message=text)
    if why in FAILING:
        last = termination_message(container.get("lastState", {})) or waiting.get("message", "no message")
        return PodProblem(reason=Reason.CONTAINER_FAILING, message=f"Pod {name} is in {why}: {last}")
    return None


def termination_message(state: Manifest) -> str | None:
    """Last words of a terminated container: its last line, without credentials of URLs."""
    terminated = state.get("terminated")
    if not terminated:
        return None
    lines = [line for line in terminated.get("message", "").splitlines() if line.strip()]
    last = (
        lines[-1].strip() if lines else f"{terminated.get('reason', 'Error')}, exit code {terminated.get('exitCode')}"
    )
    return CREDENTIALS_IN_URL.sub("//***@", last)


def never_started(pods: Iterable[Manifest]) -> bool:
    """Whether no container of these pods has ever run."""
    statuses = [status for pod in pods for status in pod.get("status", {}).get("containerStatuses", [])]
    return all("waiting" in status.get("state", {}) and not status.get("lastState") for status in statuses)


def of_job(pods: Iterable[Manifest], job: Manifest) -> tuple[Manifest, ...]:
    """The pods that the Job made, not those of an earlier one of its name."""
    metadata = job["metadata"]
    expected = {JOB_NAME: metadata["name"], JOB_UID: metadata["uid"]}
    return tuple(pod for pod in pods if expected.items() <= pod["metadata"].get("labels", {}).items())
