"""The files of serving/tf_serving for Docker, Kubernetes and KServe: as their schemas want them, and of one mind."""

import copy
import json
import re
from importlib import resources

import pytest
import yaml
from shared import REPOSITORY

from serving.tf_serving import models_config, repository

HERE = REPOSITORY / "serving" / "tf_serving"
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())
KUBERNETES = list(yaml.safe_load_all((HERE / "kubernetes.yaml").read_text()))
KSERVE = list(yaml.safe_load_all((HERE / "kserve.yaml").read_text()))
SERVICE = COMPOSE["services"]["tf-serving"]
POD = KUBERNETES[0]["spec"]["template"]["spec"]


def assert_valid_compose(document):
    """By the schema of the Compose specification, as check-jsonschema carries it."""
    pytest.importorskip("check_jsonschema", reason="pip install check-jsonschema")
    import jsonschema

    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(document, json.loads(vendored.read_text()))


def assert_valid_kubernetes(document):
    """By the schema of the newest Kubernetes that kubernetes-validate carries, which refuses unknown keys."""
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    validate.validate(document, validate.latest_version(), strict=True)


def assert_valid_kserve(document):
    """By the classes of KServe's SDK: every key is one of its class's, every value of the type it names."""
    models = pytest.importorskip("kserve.models", reason="pip install kserve")
    import kubernetes.client

    def check(value, kind, where):
        if found := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
            assert isinstance(value, list), where
            for item in value:
                check(item, found[1], where)
        elif found := re.fullmatch(r"[Dd]ict[(\[]str, (.*)[)\]]", kind):
            assert isinstance(value, dict), where
            for key, item in value.items():
                check(item, found[1], f"{where}.{key}")
        elif kind in ("str", "int", "bool"):
            assert type(value).__name__ == kind, where
        elif kind in ("ResourceQuantity", "V1ResourceRequirements"):  # resources are checked as a pod's are, above
            assert isinstance(value, str | dict), where
        else:
            made = getattr(models, kind, None) or getattr(kubernetes.client, kind)
            names = {key: attribute for attribute, key in made.attribute_map.items()}
            assert isinstance(value, dict) and value.keys() <= names.keys(), f"{where}: {value} is no {kind}"
            for key, item in value.items():
                check(item, made.openapi_types[names[key]], f"{where}.{key}")

    version = document["apiVersion"].removeprefix("serving.kserve.io/")
    check(document, f"V{version[1:]}{document['kind']}", document["kind"])


CASES = [
    (assert_valid_compose, COMPOSE, ["services", "tf-serving"], "restrat", "restart"),
    (assert_valid_kubernetes, KUBERNETES[0], ["spec", "template", "spec", "containers", 0], "argz", "args"),
    (assert_valid_kubernetes, KUBERNETES[1], ["spec"], "selectors", "selector"),
    (assert_valid_kserve, KSERVE[0], ["spec", "containers", 0], "argz", "args"),
    (assert_valid_kserve, KSERVE[1], ["spec", "predictor", "model"], "storageURI", "storageUri"),
]


@pytest.mark.parametrize(("assert_valid", "document", "path", "wrong", "right"), CASES)
def test_a_manifest_is_as_its_schema_wants_it_and_the_schema_finds_a_slip(assert_valid, document, path, wrong, right):
    assert_valid(document)
    slipped = copy.deepcopy(document)
    place = slipped
    for key in path:
        place = place[key]
    place[wrong] = place.pop(right)
    with pytest.raises(Exception, match=wrong):  # of each schema's own library
        assert_valid(slipped)
    slipped = copy.deepcopy(document)
    place = slipped
    for key in path:
        place = place[key]
    place[right] = 3
    with pytest.raises(Exception, match=f"{right}|3 is not"):
        assert_valid(slipped)


def flags(arguments):
    return dict(argument.removeprefix("--").split("=", 1) for argument in arguments)


def test_docker_and_kubernetes_start_the_server_on_what_the_command_lays_out():
    given = flags(SERVICE["command"])
    place = f"{repository.BASE_PATH}/{models_config.FILE}"
    assert given["model_config_file"] == place == flags(POD["containers"][0]["args"])["model_config_file"]
    own = "batching_parameters_file"
    assert {key: value for key, value in given.items() if key != own} == flags(POD["containers"][0]["args"])
    mounts = {mount["target"]: mount for mount in SERVICE["volumes"]}
    assert mounts.keys() == {repository.BASE_PATH, given[own]}
    assert (HERE / mounts[given[own]]["source"]).is_file()
    assert [mount["mountPath"] for mount in POD["containers"][0]["volumeMounts"]] == [repository.BASE_PATH]
    assert all(mount["read_only"] for mount in mounts.values())


def test_every_way_takes_the_same_server_and_its_ports():
    images = {SERVICE["image"], POD["containers"][0]["image"], KSERVE[0]["spec"]["containers"][0]["image"]}
    assert len(images) == 1
    version = re.fullmatch(r"tensorflow/serving:(\d+\.\d+)\.\d+", images.pop())[1]
    assert f"tensorflow>={version}," in (REPOSITORY / "pyproject.toml").read_text(), (
        "not of the TensorFlow that exports"
    )
    assert SERVICE["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    ports = {port["name"]: port["containerPort"] for port in POD["containers"][0]["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert {port["targetPort"]: port["port"] for port in KUBERNETES[1]["spec"]["ports"]} == ports


def test_the_parts_of_a_manifest_find_one_another():
    deployment, service = KUBERNETES
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert {mount["name"] for mount in POD["containers"][0]["volumeMounts"]} == {v["name"] for v in POD["volumes"]}
    runtime, model = KSERVE
    assert model["spec"]["predictor"]["model"]["runtime"] == runtime["metadata"]["name"]
    claim = POD["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert model["spec"]["predictor"]["model"]["storageUri"] == f"pvc://{claim}/{model['metadata']['name']}"


def test_the_batching_parameters_are_fields_of_tensorflow_serving_s():
    """BatchingParameters of session_bundle_config.proto: the threads here, the rest beside each batched version."""
    text = re.sub(r"#.*", "", (HERE / "batching.config").read_text())
    assert re.findall(r"(\w+) \{ value: (\S+) \}", text) == [
        ("thread_pool_name", '"batches"'),
        ("num_batch_threads", "4"),
    ]
    assert not re.sub(r"\w+ \{ value: \S+ \}", "", text).strip()
