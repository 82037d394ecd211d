"""What ships for deployment agrees with the studio: names of settings, files, addresses, secrets."""

from __future__ import annotations

import configparser
import re

import pytest
import yaml

from tests.processes import ROOT

DEPLOY = ROOT / "docs" / "deploy"
# Read by boto3, by compose.yaml itself, and by systemd's units.
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "POSTGRES_PASSWORD", "LISTEN"}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def settings_read():
    source = (ROOT / "studio" / "settings.py").read_text()
    return set(re.findall(r"(?:env\.str|_number|_switch|_words)\(\s*\"([A-Z_]+)\"", source))


def test_compose_has_every_part_and_each_waits_for_what_it_needs(compose):
    services = compose["services"]
    assert set(services) == {"nginx", "prepare", "web", "worker", "postgres", "redis"}
    assert services["worker"]["deploy"]["replicas"] == 2
    for name in ("web", "worker"):
        waits = services[name]["depends_on"]["prepare"]["condition"]
        assert waits == "service_completed_successfully"
    assert set(services["prepare"]["depends_on"]) == {"postgres", "redis"}
    for name, service in services.items():
        assert service["restart"] in {"unless-stopped", "on-failure"}, name
        assert "healthcheck" in service or name == "web", name  # the image's own
    named = {mount.partition(":")[0] for s in services.values() for mount in s["volumes"]}
    assert {name for name in named if not name.startswith(".")} == set(compose["volumes"])


def test_only_nginx_can_be_reached_and_only_from_this_machine(compose):
    assert [n for n, s in compose["services"].items() if "ports" in s] == ["nginx"]
    assert compose["services"]["nginx"]["ports"] == ["${LISTEN:-127.0.0.1:8000}:80"]
    assert compose["networks"]["back"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert compose["services"][name]["networks"] == ["back"]


def test_compose_sets_what_the_studio_reads_and_has_no_secret(compose, settings_read):
    text = (ROOT / "compose.yaml").read_text()
    for name in ("prepare", "web", "worker"):
        service = compose["services"][name]
        assert service["env_file"] == ".env"
        assert set(service["environment"]) <= settings_read
    for secret in ("SECRET_KEY", "STUDIO_ENCRYPTION_KEY", "POSTGRES_PASSWORD"):
        said = re.findall(rf"\$\{{{secret}([^}}]*)\}}", text)
        assert said and all(how.startswith(":?") for how in said), secret
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= settings_read | OTHERS


def test_the_example_of_secrets_names_settings_and_holds_none(settings_read):
    lines = [
        line.split("=", 1)
        for line in (DEPLOY / "env.example").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert {name for name, _ in lines} <= settings_read | OTHERS
    kept = {name: value for name, value in lines if value}
    assert kept == {"STUDIO_PUBLIC_URL": "http://localhost:8000"}


def test_compose_nginx_and_the_image_agree_on_places(compose):
    nginx, services = (DEPLOY / "nginx.conf").read_text(), compose["services"]
    mounts = services["nginx"]["volumes"]
    assert "./docs/deploy/nginx.conf:/etc/nginx/conf.d/default.conf:ro" in mounts
    assert "static:/srv/static:ro" in mounts and "root /srv;" in nginx
    assert "data:/data:ro" in mounts and "alias /data/media/;" in nginx
    assert services["web"]["environment"]["STUDIO_ACCEL"] == "/_media"
    assert re.search(r"location /_media/ \{\s+internal;", nginx)
    image = (ROOT / "Dockerfile").read_text()
    assert "STUDIO_DATA_DIR=/data" in image and "STUDIO_STATIC_ROOT=/app/collected" in image
    assert "EXPOSE 8000" in image and "set $studio web:8000;" in nginx
    assert image.index("\nUSER studio") < image.index("\nCMD")
    assert "\nHEALTHCHECK " in image


def test_the_image_is_made_of_the_studio_alone():
    image = (ROOT / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (.+)", image, re.M) for name in line.split()[:-1]}
    ignored, *let_in = (ROOT / ".dockerignore").read_text().split()
    assert ignored == "*"
    assert {name.removeprefix("!") for name in let_in if name.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("*.service")))
def test_units_run_what_there_is_as_nobody_special(unit, settings_read):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(DEPLOY / unit)
    service = parser["Service"]
    assert service["User"] == "studio"
    names = {pair.partition("=")[0] for pair in service["Environment"].split()}
    assert names <= settings_read
    for unit_named in re.findall(r"ray-studio-\w+\.\w+", (DEPLOY / unit).read_text()):
        assert (DEPLOY / unit_named).is_file()


def test_the_commands_for_a_machine_without_containers_change_what_is_there():
    nginx = (DEPLOY / "nginx.conf").read_text()
    guide = (ROOT / "docs" / "deploy.md").read_text()
    found = re.findall(r"-e 's(.)(.+?)\1(.+?)\1'", guide)
    assert len(found) == 4
    for _, old, _ in found:
        assert nginx.count(old) == 1, old
