"""docs/deploy/: every object by Kubernetes' own schema, and what one file says of another."""

import configparser
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from prometheus_client import generate_latest

from app import metrics, registry
from app.cli.doctor import providers
from app.cli.plugin import COMMANDS, written
from app.db.addresses import database_url_of
from app.db.models import Base
from app.domain.site.service import figures
from app.domain.webhooks.service.outbox import DELIVER
from app.jobs.invariants import RULES
from app.jobs.schedule import JOBS
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy"
BOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
VERSION = "1.33"
FOLDER = DEPLOY / "kubernetes"
OBJECTS: list[tuple[str, dict[str, Any]]] = [
    (path.name, each)
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for _, each in OBJECTS if each["kind"] == kind}


PODS = {name: each["spec"]["template"] for kind in ("Deployment", "Job") for name, each in of_kind(kind).items()}


@pytest.mark.parametrize(
    ("file", "each"), OBJECTS, ids=[f"{f}-{o['kind']}-{o['metadata']['name']}" for f, o in OBJECTS]
)
def test_by_the_schema(file: str, each: dict[str, Any]) -> None:
    kubernetes_validate.validate(each, VERSION, strict=True)
    assert file
    assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "relampago"


def test_the_schema_says_no() -> None:
    wrong = yaml.safe_load((FOLDER / "namespace.yaml").read_text(encoding="utf-8").partition("---")[0])
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong | {"speck": {}}, VERSION, strict=True)


def test_every_file_is_applied() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == sorted({file for file, _ in OBJECTS} - {"secret.example.yaml"})


@pytest.mark.parametrize("name", PODS)
def test_pods_may_nothing(name: str) -> None:
    pod = PODS[name]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        assert "cpu" not in container["resources"]["limits"]


def test_the_user_is_the_image_s() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", (ROOT / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {pod["spec"]["securityContext"]["runAsUser"] for pod in PODS.values()} == {int(user)}


def test_what_pods_refer_to_is_there() -> None:
    secrets, maps = set(of_kind("Secret")), {"relampago-settings"}
    for pod in PODS.values():
        for container in pod["spec"]["containers"]:
            for source in container["envFrom"]:
                kind, reference = next(iter(source.items()))
                assert reference["name"] in (secrets if kind == "secretRef" else maps)
        for volume in pod["spec"]["volumes"]:
            assert volume.get("secret", {}).get("secretName", "relampago-google") in secrets


@pytest.mark.parametrize("name", ["relampago-api", "relampago-worker"])
def test_what_serves_does_not_know_the_owner(name: str) -> None:
    sources = PODS[name]["spec"]["containers"][0]["envFrom"]
    assert "relampago-owner" not in str(sources)
    assert "DATABASE_ADMIN_URL" not in of_kind("Secret")["relampago-secrets"]["stringData"]


def test_settings_are_settings() -> None:
    lines = (FOLDER / "settings.env").read_text(encoding="utf-8").splitlines()
    names = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    for secret in ("relampago-secrets", "relampago-owner"):
        names |= set(of_kind("Secret")[secret]["stringData"])
    assert {name.lower() for name in names} <= set(Settings.__struct_fields__)
    assert database_url_of(of_kind("Secret")["relampago-secrets"]["stringData"]).startswith("postgresql://")


@pytest.mark.parametrize("kind", ["PodDisruptionBudget", "HorizontalPodAutoscaler"])
def test_each_deployment_has_one(kind: str) -> None:
    deployments = of_kind("Deployment")
    assert set(of_kind(kind)) == set(deployments)
    for name, each in of_kind(kind).items():
        if kind == "PodDisruptionBudget":
            assert each["spec"]["selector"] == deployments[name]["spec"]["selector"]
            assert each["spec"]["minAvailable"] < of_kind("HorizontalPodAutoscaler")[name]["spec"]["minReplicas"]
        else:
            assert each["spec"]["scaleTargetRef"]["name"] == name
            assert "replicas" not in deployments[name]["spec"]


def test_figures_that_are_asked_for_exist() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "adapter-rules.yaml").read_text(encoding="utf-8"))
    given = {rule["name"]["as"] for group in ("rules", "externalRules") for rule in rules[group]}
    asked = set()
    for each in of_kind("HorizontalPodAutoscaler").values():
        for metric in each["spec"]["metrics"]:
            asked |= {part["metric"]["name"] for part in metric.values() if isinstance(part, dict) and "metric" in part}
    assert asked == given
    assert _unknown((DEPLOY / "prometheus" / "adapter-rules.yaml").read_text(encoding="utf-8"), given) == set()


def test_prometheus_may_reach_what_it_is_to_ask() -> None:
    """Each pod that serves names a port that its container has and the network lets Prometheus in at."""
    let_in = {
        each["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: {
            port["port"]
            for rule in each["spec"]["ingress"]
            if {"namespaceSelector": {"matchLabels": {"relampago.example/role": "monitoring"}}} in rule["from"]
            for port in rule["ports"]
        }
        for each in of_kind("NetworkPolicy").values()
    }
    for each in of_kind("Deployment").values():
        pod = each["spec"]["template"]
        asked = pod["metadata"]["annotations"]
        port = int(asked["prometheus.io/port"])
        (container,) = pod["spec"]["containers"]
        assert asked["prometheus.io/scrape"] == "true"
        assert port in [one["containerPort"] for one in container["ports"]]
        assert port in let_in[pod["metadata"]["labels"]["app.kubernetes.io/component"]]
        if container["name"] == "worker":
            assert {"name": "WORKER_METRICS_PORT", "value": str(port)} in container["env"]
    assert "METRICS_TOKEN" in of_kind("Secret")["relampago-secrets"]["stringData"]


def test_alerts_are_about_figures_that_exist() -> None:
    text = (DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8")
    groups = yaml.safe_load(text)["groups"]
    names = [rule["alert"] for group in groups for rule in group["rules"]]
    assert len(names) == len(set(names)) == 10
    assert _unknown(text, set()) == set()


def test_the_dashboard_shows_every_figure_and_no_other() -> None:
    text = (DEPLOY / "grafana" / "relampago.json").read_text(encoding="utf-8")
    board = json.loads(text)
    assert _unknown(text, set()) == set()
    shown = " ".join(target["expr"] for panel in board["panels"] for target in panel.get("targets", []))
    counted, read = _figures()
    assert [
        name for name in counted | read if not re.search(rf"\b{name}\b|\b{name}_(bucket|count|total)\b", shown)
    ] == []
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("kind", ["Alerts", "Invariants"])
def test_the_operator_s_book_has_a_heading_for_each(kind: str) -> None:
    """In their own order; what stands under a heading is not empty, and nothing is described that is gone."""
    alerts = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    wanted = {"Alerts": [rule["alert"] for group in alerts for rule in group["rules"]], "Invariants": list(RULES)}[kind]
    (chapter,) = re.findall(rf"^## {kind}\n(.*?)^## ", BOOK, re.MULTILINE | re.DOTALL)
    found = dict(re.findall(r"^### (\w+)\n\n(.+?)$", chapter, re.MULTILINE))
    assert list(found) == wanted
    assert all(len(said) > 40 for said in found.values())


def test_the_operator_s_book_knows_every_line_of_the_doctor() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src/app/cli/doctor").glob("*.py")]
    names = {name for text in sources for name in re.findall(r'\b(?:ok|warn|fail|graver)\(\s*"([^"]+)"', text)}
    names |= {name for name, _ in providers.ASKED.values()} | {"public address"}
    assert len(names) == 21
    assert [name for name in sorted(names) if f"\n| {name} |" not in BOOK] == []


def test_commands_and_jobs_of_the_operator_s_book_exist() -> None:
    commands = litestar_commands()
    said = {tuple(words) for words in re.findall(r"(?:^|[`=]\S* ?)litestar ([a-z]+) ([a-z-]+)\b", BOOK, re.MULTILINE)}
    assert len(said) > 10
    assert {pair for pair in said if pair[0] in commands and pair[1] not in commands[pair[0]]} == set()
    assert {group for group, _ in said} <= commands.keys() | {"doctor", "database"}
    jobs = {job.name for job in JOBS} | {DELIVER}
    assert set(re.findall(r"\b(?:events|webhooks|notifications|email|payments|upkeep):\w+", BOOK)) <= jobs


def litestar_commands() -> dict[str, set[str]]:
    found = {name: getattr(import_module(module), written(name)) for module, name, _ in COMMANDS}
    return {name: set(group.commands) for name, group in found.items() if isinstance(group, click.Group)}


def test_every_file_of_the_operator_s_book_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", BOOK)
    links += [f"../{path}" for path in re.findall(r"`((?:docs|src|tests|alembic)/[\w./*@-]+)`", BOOK)]
    assert len(links) > 10
    assert [link for link in links if not list((ROOT / "docs").glob(link))] == []


@pytest.mark.parametrize("path", sorted((DEPLOY / "systemd").glob("*.service")), ids=lambda path: path.name)
def test_units_run_what_the_image_runs(path: Path) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text(encoding="utf-8"))
    service = unit["Service"]
    command = service["ExecStart"].removeprefix("/srv/relampago/.venv/bin/python -m ")
    image = (ROOT / "Containerfile").read_text(encoding="utf-8") + str(OBJECTS)
    word = command.split()[1] if command.startswith("app ") else "app.serving"
    assert word in image
    assert (service["NoNewPrivileges"], service["ProtectSystem"], service["User"]) == ("yes", "strict", "relampago")
    # The owner's password is the migrations' alone.
    assert ("/etc/relampago/owner" in path.read_text(encoding="utf-8")) == ("migrate" in path.name)


def _figures() -> tuple[set[str], set[str]]:
    """Names of figures: those that processes count, and those that `/metrics` reads when it is asked."""
    source = Path(figures.__file__).read_text(encoding="utf-8")
    counted = re.findall(
        r"^# HELP (relampago_\w+?)(?:_total)? ", generate_latest(metrics.REGISTRY).decode(), re.MULTILINE
    )
    counted = [name for name in counted if not name.endswith("_created")]
    return set(counted), set(re.findall(r'"(relampago_\w+)"', source))


def _unknown(text: str, also: set[str]) -> set[str]:
    """Names of figures in a text that are neither counted nor read."""
    counted, read = _figures()
    known = read | also | {f"{name}_{part}" for name in counted for part in ("bucket", "count", "sum", "total")}
    return set(re.findall(r"\brelampago_\w+", text)) - known


def test_the_cluster_keeps_what_it_acknowledged() -> None:
    cluster, pooler = yaml.safe_load_all((DEPLOY / "postgresql" / "cluster.yaml").read_text(encoding="utf-8"))
    assert cluster["spec"]["postgresql"]["synchronous"] == {"method": "any", "number": 1, "dataDurability": "required"}
    assert pooler["spec"]["cluster"]["name"] == cluster["metadata"]["name"]
    assert pooler["spec"]["pgbouncer"]["poolMode"] == "transaction"
    url = of_kind("Secret")["relampago-secrets"]["stringData"]["DATABASE_URL"]
    assert f"@{pooler['metadata']['name']}:" in url
    assert (
        f"@{cluster['metadata']['name']}-rw:"
        in of_kind("Secret")["relampago-owner"]["stringData"]["DATABASE_ADMIN_URL"]
    )


def test_every_table_has_its_place_beside_shards() -> None:
    """docs/scaling.md says of each what it would be; a table that comes is put somewhere."""
    registry.load()
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+)`", page))
    assert "reservation" in Base.metadata.tables
    assert [name for name in sorted(Base.metadata.tables) if name not in named] == []
