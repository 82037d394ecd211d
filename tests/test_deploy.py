"""What ships for deployment agrees with the studio: names of settings, files, addresses, secrets."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess

import pytest
import yaml

from studio.launcher.cluster_health import LEAST_PROCESSES, cluster_size
from tests.processes import ROOT
from tests.test_launcher import whole_family

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


def test_every_container_is_confined(compose):
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True and "/tmp" in service["tmpfs"], name
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        log = service["logging"]
        assert log["driver"] == "json-file" and {"max-size", "max-file"} <= set(log["options"]), (
            name
        )
        # The image's own user, or one named here: nobody starts as root and steps down.
        assert service.get("image") == "ray-studio" or service["user"] not in {"root", "0"}, name


def test_memory_mounts_can_be_written_by_the_containers_own_user(compose):
    # Docker gives one the mode of the image's folder (/run: 0755) and root as its owner; only /tmp
    # is everybody's already.
    for name, service in compose["services"].items():
        for mount in service["tmpfs"]:
            folder, _, options = mount.partition(":")
            assert folder == "/tmp" or "mode=1777" in options.split(","), (name, mount)


def test_nginx_reads_media_as_one_of_the_studios_group(compose):
    image, nginx = (ROOT / "Dockerfile").read_text(), compose["services"]["nginx"]
    (group,) = re.findall(r"groupadd --gid (\d+) studio", image)
    assert nginx["user"].partition(":")[2] == group
    assert "-m 710 /data" in image and "-m 750 /static /app/collected" in image
    assert "--preserve=mode /app/collected/. /static/" in compose["services"]["prepare"]["command"]
    # Collected by the user who reads them, with the group's rights.
    collecting = image.partition("\nUSER studio")[2]
    assert re.search(r"STUDIO_ACCEL=/_media python manage.py collectstatic", collecting)


def test_the_image_is_of_nobody_special():
    image = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (.+)", image, re.M) == ["studio"]
    assert "chmod --recursive a+rX manage.py studio templates static" in image
    for line in re.findall(r"^RUN .+(?:\n    .+)*", image, re.M):
        assert "pip" not in line or "--require-hashes" in line, line


def test_a_container_of_workers_knows_whether_its_cluster_runs(compose, tmp_path):
    check = compose["services"]["worker"]["healthcheck"]["test"]
    assert check == ["CMD", "python", "-m", "studio.launcher.cluster_health"]
    commands = [
        b"/sbin/docker-init\0--\0python\0manage.py\0qcluster\0",
        *[b"python\0manage.py\0qcluster\0"] * 5,
        b"python\0-m\0studio.launcher.cluster_health\0",
    ]
    for number, command in enumerate(commands, start=1):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_bytes(command)
    (tmp_path / "99").mkdir()  # ended meanwhile
    (tmp_path / "meminfo").touch()
    assert cluster_size(tmp_path) == LEAST_PROCESSES


@pytest.mark.processes
@pytest.mark.once
def test_a_running_cluster_counts_as_whole(studio_process, tmp_path):
    container = tmp_path / "proc"
    container.mkdir()
    for pid in whole_family(studio_process):
        (container / str(pid)).symlink_to(f"/proc/{pid}")
    assert cluster_size(container) >= LEAST_PROCESSES
    studio_process.stop()
    assert cluster_size(container) == 0


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
    assert "./docs/deploy/nginx-main.conf:/etc/nginx/nginx.conf:ro" in mounts
    assert "include /etc/nginx/conf.d/*.conf;" in (DEPLOY / "nginx-main.conf").read_text()
    assert "static:/srv/static:ro" in mounts and "root /srv;" in nginx
    assert "data:/data:ro" in mounts and "alias /data/media/;" in nginx
    assert services["web"]["environment"]["STUDIO_ACCEL"] == "/_media"
    assert re.search(r"location /_media/ \{\s+internal;", nginx)
    image = (ROOT / "Dockerfile").read_text()
    assert "STUDIO_DATA_DIR=/data" in image and "STUDIO_STATIC_ROOT=/app/collected" in image
    assert "EXPOSE 8000" in image and "set $studio web:8000;" in nginx
    assert image.index("\nUSER studio") < image.index("\nCMD")
    assert "\nHEALTHCHECK " in image


def test_nginx_believes_the_machines_own_proxy_and_nobody_else(compose):
    trusted = re.findall(r"^ *set_real_ip_from (.+);", (DEPLOY / "nginx.conf").read_text(), re.M)
    assert trusted == ["127.0.0.1"]
    # A container sees this machine as its network's gateway.
    theirs = re.findall(
        r"^set_real_ip_from (.+);", (DEPLOY / "nginx-proxies.conf").read_text(), re.M
    )
    assert theirs == [compose["networks"]["front"]["ipam"]["config"][0]["gateway"]]
    mounts = compose["services"]["nginx"]["volumes"]
    assert "./docs/deploy/nginx-proxies.conf:/etc/nginx/studio-proxies.conf:ro" in mounts
    assert "include studio-proxies*.conf;" in (DEPLOY / "nginx.conf").read_text()


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


CONFINED = {
    "UMask": "0077", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict",
    "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "RestrictSUIDSGID": "yes",
    "StateDirectory": "ray-studio", "StateDirectoryMode": "0710",
}  # fmt: skip


@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("*.service")))
def test_a_unit_writes_its_data_folder_and_nothing_else(unit):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(DEPLOY / unit)
    service = dict(parser["Service"])
    assert {name: service.get(name) for name in CONFINED} == CONFINED
    # Media and static files of every process are readable for nginx, which is of the group.
    assert "STUDIO_ACCEL=/_media" in service["Environment"].split()


@pytest.mark.parametrize("unit", ["ray-studio-web.service", "ray-studio-worker.service"])
def test_web_server_and_workers_do_not_start_on_tables_that_were_not_prepared(unit):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(DEPLOY / unit)
    before = "ray-studio-prepare.service"
    assert before in parser["Unit"]["Requires"].split()
    assert before in parser["Unit"]["After"].split()
    assert before not in parser["Unit"].get("Wants", "")


@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("ray-studio-*")))
def test_systemd_takes_the_units(unit):
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("No systemd-analyze here.")
    done = subprocess.run(
        [verify, "verify", str(DEPLOY / unit)], capture_output=True, text=True, check=False
    )
    # There is no studio at its place here, nor manual pages.
    wrong = [
        line
        for line in done.stderr.splitlines()
        if "ray-studio" in line and "is not executable" not in line
    ]
    assert wrong == []


def test_the_commands_for_a_machine_without_containers_change_what_is_there():
    nginx = (DEPLOY / "nginx.conf").read_text()
    guide = (ROOT / "docs" / "deploy.md").read_text()
    found = re.findall(r"-e 's(.)(.+?)\1(.+?)\1'", guide)
    assert len(found) == 4
    for _, old, _ in found:
        assert nginx.count(old) == 1, old


def test_the_nightly_backup_runs_the_command_that_there_is():
    from studio.management.commands.backup import Command

    unit, timer = configparser.ConfigParser(strict=False), configparser.ConfigParser()
    for parser in (unit, timer):
        parser.optionxform = str
    unit.read(DEPLOY / "ray-studio-backup.service")
    timer.read(DEPLOY / "ray-studio-backup.timer")
    words = unit["Service"]["ExecStart"].split()
    assert words[1:3] == ["manage.py", "backup"]
    options = Command().create_parser("manage.py", "backup").parse_args(words[3:])
    assert options.keep == 14 and str(options.file) == "/var/backups/ray-studio"
    assert unit["Service"]["UMask"] == "0077"
    assert "OnCalendar" in timer["Timer"] and timer["Install"]["WantedBy"] == "timers.target"
