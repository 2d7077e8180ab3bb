"""Problems of pods, read from their container statuses, and how a finished container ended. Pure.

The message that a container left is never shown: where it is no result of `migrate` it is the end of a log, which may
hold anything, and no pattern finds every form of a password.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from analytics_operator.api.conditions import Reason
from analytics_operator.kube.objects import Manifest, condition

PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
FAILING = frozenset({"CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
JOB_NAME = "batch.kubernetes.io/job-name"
JOB_UID = "batch.kubernetes.io/controller-uid"


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
        status = pod.get("status", {})
        for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
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
        last = how_it_ended(pod, container.get("lastState", {})) or waiting.get("message", "no message")
        return PodProblem(reason=Reason.CONTAINER_FAILING, message=f"Pod {name} is in {why}: {last}")
    return None


def how_it_ended(pod: Manifest, state: Manifest) -> str | None:
    """How a container ended, by what the kubelet says of it, and how to read the message that it left.

    None where it did not end.
    """
    terminated = state.get("terminated")
    if not terminated:
        return None
    end = f"its container ended with {terminated.get('reason', 'Error')}, exit code {terminated.get('exitCode')}"
    if not terminated.get("message", "").strip():
        return end
    command = f"kubectl describe pod {pod['metadata']['name']}"
    return f"{end}; it left a message, which may hold secrets and is not repeated here: read it with `{command}`"


def failed_init_container(pods: Iterable[Manifest]) -> str | None:
    """How an init container of users ended that kept ours from starting; None where none did."""
    for pod in pods:
        for container in pod.get("status", {}).get("initContainerStatuses", ()):
            state = container.get("state", {})
            if state.get("terminated", {}).get("exitCode"):
                return (
                    f"init container {container['name']} of Pod {pod['metadata']['name']}: {how_it_ended(pod, state)}"
                )
    return None


def never_started(pods: Iterable[Manifest]) -> bool:
    """Whether no container of these pods has ever run."""
    statuses = [status for pod in pods for status in pod.get("status", {}).get("containerStatuses", [])]
    return all("waiting" in status.get("state", {}) and not status.get("lastState") for status in statuses)


def of_job(pods: Iterable[Manifest], job: Manifest) -> tuple[Manifest, ...]:
    """The pods that the Job made, not those of an earlier one of its name."""
    metadata = job["metadata"]
    expected = {JOB_NAME: metadata["name"], JOB_UID: metadata["uid"]}
    return tuple(pod for pod in pods if expected.items() <= pod["metadata"].get("labels", {}).items())
