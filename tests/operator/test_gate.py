"""The migration before the rollout, on a real API server: one Job at a time, pods only on a migrated database."""

import pytest

from tests.operator.cluster_actor import DSN, ClusterActor, image_of, released_of
from tests.support.kube import eventually

pytestmark = pytest.mark.kube

NEXT = {"repository": "analytics-service", "tag": "2.0.0"}


def test_a_failed_migration_is_explained_retried_and_heals(world: ClusterActor) -> None:
    world.credentials()
    world.declare()
    first = world.fail(reason="DatabaseUnreachable", message="cannot connect to db:5432")
    failed = world.until("Migrated", "False", "DatabaseUnreachable")
    assert "cannot connect to db:5432" in failed["message"]
    assert world.condition("Ready")["reason"] == "MigrationFailed"
    second = world.migrate()
    assert second["metadata"]["name"] == first["metadata"]["name"][:-1] + "2"
    world.settle()


def test_a_migration_that_cannot_succeed_stalls_until_its_job_is_deleted(world: ClusterActor) -> None:
    world.credentials()
    world.declare(migrations={"backoffLimit": 1})
    job = world.fail(reason="HistoryEdited", message="0001 was edited")
    world.until("Stalled", "True", "MigrationFailed")
    cure = f"delete Job {job['metadata']['name']}"  # said once its pod's result is seen too
    eventually(lambda: cure in world.condition("Migrated")["message"], what="the cure")
    world.api.delete("Job", job["metadata"]["name"])
    world.migrate()
    world.settle()
    assert world.condition("Stalled")["status"] == "False"


def test_a_new_image_waits_for_its_migration_while_scaling_and_repair_go_on(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(redis={"urlSecretRef": {"name": "credentials", "key": "redis-url"}})
    world.edit(image=NEXT, replicas=2)
    world.live_job()
    eventually(lambda: world.api.get("Deployment", "demo")["spec"]["replicas"] == 2, what="two replicas")
    assert image_of(world.api.get("Deployment", "demo")) == "analytics-service:1.0.0"
    wrong = [{"name": "api", "image": "edited:by-hand"}]
    patch = {"spec": {"template": {"spec": {"containers": wrong}}}}
    world.api.merge("Deployment", "demo", patch)
    eventually(
        lambda: image_of(world.api.get("Deployment", "demo")) == "analytics-service:1.0.0", what="the released image"
    )
    world.migrate()
    eventually(
        lambda: image_of(world.api.get("Deployment", "demo")) == "analytics-service:2.0.0", what="the next image"
    )
    world.settle()


@pytest.mark.parametrize(
    "deleted",
    [("Deployment",), ("ConfigMap",), ("ConfigMap", "Deployment")],
    ids=["the Deployment", "its copy", "the copy, then the Deployment"],
)
def test_what_is_deleted_while_a_migration_runs_comes_back_as_it_was_released(
    world: ClusterActor, deleted: tuple[str, ...]
) -> None:
    world.ready()
    settings = released_of(world.api.get("Deployment", "demo"))["spec"]["containers"][0]["envFrom"]
    world.edit(image=NEXT, logging={"level": "debug"})
    world.live_job()
    for kind in deleted:
        name = "demo-released" if kind == "ConfigMap" else "demo"
        before = world.api.get(kind, name)["metadata"]["uid"]
        world.api.delete(kind, name)
        eventually(
            lambda k=kind, n=name, uid=before: (found := world.api.find(k, n)) and found["metadata"]["uid"] != uid,  # type: ignore[misc]
            what=f"a new {kind}",
        )
    back = world.api.get("Deployment", "demo")
    assert image_of(back) == "analytics-service:1.0.0"
    assert released_of(back)["spec"]["containers"][0]["envFrom"] == settings
    assert world.api.find("ConfigMap", settings[0]["configMapRef"]["name"]), "its pods find their settings"
    world.migrate()
    world.settle()
    assert image_of(world.api.get("Deployment", "demo")) == "analytics-service:2.0.0"


def test_a_running_migration_is_not_killed_by_a_new_spec(world: ClusterActor) -> None:
    world.credentials()
    world.declare()
    running = world.live_job()
    world.edit(image=NEXT)
    world.until("Migrated", "False", "Superseded")
    assert [job["metadata"]["name"] for job in world.jobs()] == [running["metadata"]["name"]]
    world.migrate()
    following = eventually(
        lambda: [job for job in world.jobs() if "conditions" not in job.get("status", {})], what="next"
    )
    assert following[0]["spec"]["template"]["spec"]["containers"][0]["image"] == "analytics-service:2.0.0"
    world.migrate()
    world.settle()
    assert image_of(world.api.get("Deployment", "demo")) == "analytics-service:2.0.0"


def test_a_migration_whose_image_cannot_be_pulled_makes_room_for_its_cure(world: ClusterActor) -> None:
    world.credentials()
    world.declare(image={"repository": "analytics-service", "tag": "typo"})
    stuck = world.live_job()
    world.pod_of(stuck, container={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})
    world.edit(cors={"origins": ["https://a.example"]})  # a look; the next one would come within ten seconds
    pulled = world.until("Ready", "False", "ImagePullFailed")
    assert "typo" in str(stuck["spec"])
    assert "not found" in pulled["message"]
    world.edit(image=NEXT)
    eventually(
        lambda: stuck["metadata"]["uid"] not in {job["metadata"]["uid"] for job in world.jobs()}, what="it is gone"
    )
    world.migrate()
    world.settle()


def test_a_repointed_database_is_migrated_before_pods_use_it(world: ClusterActor) -> None:
    world.ready()
    world.api.secret("other", database_url=DSN.replace("db:", "db2:"))
    world.edit(database={"urlSecretRef": {"name": "other"}})
    world.live_job()
    template = world.api.get("Deployment", "demo")["spec"]["template"]
    assert "'other'" not in str(template)
    world.migrate()
    eventually(lambda: "'other'" in str(world.api.get("Deployment", "demo")["spec"]["template"]), what="the new Secret")


def test_a_rotated_value_rolls_the_pods(world: ClusterActor) -> None:
    world.ready()
    before = world.api.get("Deployment", "demo")["spec"]["template"]["metadata"]["annotations"]
    rotated = {"stringData": {"database-url": DSN.replace("correct", "rotated")}}
    world.api.merge("Secret", "credentials", rotated)
    world.migrate()
    eventually(
        lambda: world.api.get("Deployment", "demo")["spec"]["template"]["metadata"]["annotations"] != before,
        what="roll",
    )


def test_a_job_deleted_by_hand_after_its_success_is_not_repeated(world: ClusterActor) -> None:
    world.ready()
    (job,) = world.jobs()
    world.api.delete("Job", job["metadata"]["name"])
    world.edit(cache={"defaultTtlSeconds": 1})
    world.settle()
    assert world.jobs() == []
    assert world.condition("Migrated")["reason"] == "Applied", "what it said stays"


def test_going_back_to_an_older_image_asks_the_database_again(world: ClusterActor) -> None:
    world.ready()
    world.edit(image=NEXT)
    world.migrate()
    world.settle()
    world.edit(image={"repository": "analytics-service", "tag": "1.0.0"})
    world.migrate(reason="NewerCompatible", message="schema 3 serves this release too", version=3)
    world.settle()
    assert world.condition("Migrated")["reason"] == "NewerCompatible"
    assert world.resource()["status"]["schema"]["version"] == 3


def test_pods_get_a_setting_once_their_image_says_that_it_knows_it(world: ClusterActor) -> None:
    def host() -> str:
        container = world.api.get("Deployment", "demo")["spec"]["template"]["spec"]["containers"][0]
        data: dict[str, str] = world.api.get("ConfigMap", container["envFrom"][0]["configMapRef"]["name"])["data"]
        return data["APP_HOST"]

    world.ready()
    assert host() == "0.0.0.0", "0.2.0 lists nothing"  # noqa: S104
    world.edit(image=NEXT)
    job = world.migrate(settings=["APP_HOST", "APP_HOST=::"])
    world.settle()
    assert host() == "::"
    world.api.delete("Job", job["metadata"]["name"])
    world.api.delete("Pod", world.pod_name(job))
    world.edit(cache={"defaultTtlSeconds": 1})
    world.settle()
    assert host() == "::", "what it listed is kept where its Job is gone"
    world.edit(image={"repository": "analytics-service", "tag": "1.0.0"})
    world.migrate(reason="NewerCompatible")
    world.settle()
    assert host() == "0.0.0.0", "and goes with it"  # noqa: S104
