"""The `.env`: read as the application reads it, and never at the cost of what a person wrote."""

import re
import stat
from itertools import pairwise
from pathlib import Path

import pytest

from app.settings import RATES, Settings, load_settings
from launcher import env_file, project

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
GENERATED = {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c", "SECRET_KEY": "0" * 64}


def test_launcher_leaves_out_what_it_generated(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    env_file.write(GENERATED, path)
    assert project.read_env_file(path) == {"LITESTAR_APP": "app.server:create_app"}
    assert load_settings({}, path).database_url == GENERATED["DATABASE_URL"]


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    env_file.write(GENERATED, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_own_lines_survive_renewal_and_removal(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nexport PORT = '9000'\n", encoding="utf-8")
    env_file.write(GENERATED, path)
    env_file.write(GENERATED | {"SECRET_KEY": "1" * 64}, path)
    assert project.read_env_file(path) == {"PORT": "9000"}
    assert load_settings({}, path).secret_key == "1" * 64
    env_file.forget(path)
    assert path.read_text(encoding="utf-8") == "# mine\nexport PORT = '9000'\n"


def test_a_file_of_generated_lines_alone_is_removed(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    env_file.write(GENERATED, path)
    env_file.forget(path)
    assert not path.exists()


def test_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("PORT=9000\n", encoding="utf-8")
    monkeypatch.setattr(project.read_env_file, "__defaults__", (path,))
    monkeypatch.delenv("PORT", raising=False)
    assert project.port_setting("PORT", 8000) == 9000
    monkeypatch.setenv("PORT", "9001")
    assert project.port_setting("PORT", 8000) == 9001


def test_every_setting_is_in_the_example() -> None:
    fields = set(Settings.__struct_fields__) - {"throttles", "media_root"}
    names = {field.upper() for field in fields} | {f"THROTTLE_{scope.upper()}" for scope in RATES}
    assert names <= set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE))


def test_every_setting_of_the_example_is_explained() -> None:
    lines = EXAMPLE.splitlines()
    for before, line in pairwise(lines):
        if re.match(r"#?[A-Z][A-Z0-9_]*=", line):
            assert before.startswith("#"), line


def test_the_example_starts_with_the_defaults(tmp_path: Path) -> None:
    assert project.read_env_file(ROOT / ".env.example") == {"LITESTAR_APP": "app.server:create_app"}
    uncommented = re.sub(r"^#(?=[A-Z][A-Z0-9_]*=.)", "", EXAMPLE, flags=re.MULTILINE)
    path = tmp_path / ".env"
    path.write_text(f"{uncommented}\nSECRET_KEY={'0' * 64}\n", encoding="utf-8")
    plain = {"DATABASE_URL": load_settings({}, path).database_url, "SECRET_KEY": "0" * 64}
    plain["DATABASE_ADMIN_URL"] = load_settings({}, path).database_admin_url
    assert load_settings({}, path) == load_settings(plain, tmp_path / "none")
