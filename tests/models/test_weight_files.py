"""Weights from files and from addresses; the server is one of this machine."""

import http.server
import re
import threading

import pytest
import safetensors.torch
import torch

from segbench.errors import CheckpointError
from segbench.models import DeepLabV3, ResEncUNet
from segbench.models.weight_files import pretrained_digest, read_weights


@pytest.fixture(autouse=True)
def store(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def server(tmp_path):
    """Serves the files of a folder; of those called short it sends half of what it announces."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            path = tmp_path / "served" / self.path.strip("/").partition("?")[0]
            if not path.is_file():
                self.send_error(404)
                return
            content = path.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if "short" in self.path else content)

        def log_message(self, *_):
            pass

    (tmp_path / "served").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", tmp_path / "served", asked
        running.shutdown()


WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def test_an_address_is_downloaded_once_and_known_by_its_content(server, store):
    address, folder, asked = server
    torch.save(WEIGHTS, folder / "weights.pth")
    safetensors.torch.save_file(WEIGHTS, folder / "weights.safetensors")
    for name in ("weights.pth", "weights.safetensors", "weights.pth?of=another"):
        for _ in range(2):
            found = read_weights(f"{address}/{name}", {})
            assert found.keys() == WEIGHTS.keys()
            assert all(torch.equal(found[key], WEIGHTS[key]) for key in WEIGHTS)
    assert asked == ["/weights.pth", "/weights.safetensors", "/weights.pth?of=another"]
    assert pretrained_digest(f"{address}/weights.pth") == pretrained_digest(str(folder / "weights.pth"))
    assert pretrained_digest("imagenet") == "imagenet"
    assert len(list(store.glob("*/weights.*"))) == 3


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_what_a_training_program_kept_beside_the_weights_is_left(tmp_path, key):
    torch.save({"epoch": 3, key: WEIGHTS, "optimizer": {"lr": 0.1}}, tmp_path / "weights.pt")
    assert read_weights(str(tmp_path / "weights.pt"), {}).keys() == WEIGHTS.keys()


def test_what_cannot_be_used_is_said_in_one_line_and_not_kept(server, store, tmp_path):
    address, folder, asked = server
    torch.save(WEIGHTS, folder / "short.pth")
    (folder / "page.pth").write_text("<html>Log in first</html>")
    (folder / "cut.pth").write_bytes((folder / "short.pth").read_bytes()[:-40])
    torch.save({"weights": [1, 2]}, folder / "list.pth")
    torch.save({0: torch.ones(1)}, folder / "numbers.pth")
    cases = {
        f"{address}/short.pth": r"cannot download it \(IncompleteRead\(.*\); get the file and give its path",
        f"{address}/none.pth": r"cannot download it \(Not Found\); get the file and give its path",
        "http://127.0.0.1:9/weights.pth": r"cannot download it \(.*refused\); get the file and give its path",
        "http://no.such.host.invalid/weights.pth": r"cannot download it \(.*\); get the file and give its path",
        "https://": r"cannot download it \(.*\); get the file and give its path",
        f"{address}/page.pth": r"not a weights file \(.*\)",
        f"{address}/cut.pth": r"not a weights file \(.*\)",
        str(folder / "cut.pth"): r"not a weights file \(.*\)",
        f"{address}/list.pth": r"not a state dict \(a flat dict of tensors\)",
        f"{address}/numbers.pth": r"not a state dict \(a flat dict of tensors\)",
        "https://[": "Invalid IPv6 URL",
        str(folder): "Is a directory",
        str(tmp_path / "none.pth"): "No such file or directory",
        "imagnet": "No such file or directory; published are imagenet",
    }
    for source, message in cases.items():
        with pytest.raises(CheckpointError, match=rf"^model\.pretrained={re.escape(source)}: {message}$") as caught:
            read_weights(source, {"imagenet": "http://127.0.0.1:9/a.pth"})
        assert "\n" not in str(caught.value)
    # What was no file of weights may be one tomorrow.
    assert not [path for path in store.glob("*/*") if path.is_file()]
    assert folder.joinpath("cut.pth").exists()
    torch.save(WEIGHTS, folder / "page.pth")
    assert read_weights(f"{address}/page.pth", {}).keys() == WEIGHTS.keys()


def test_a_file_of_the_user_s_in_torch_s_own_store_stays(store):
    store.mkdir(parents=True)
    torch.save(torch.nn.Linear(1, 1), store / "whole.pth")
    with pytest.raises(CheckpointError, match="not a weights file"):
        read_weights(str(store / "whole.pth"), {})
    assert (store / "whole.pth").exists()


def test_what_identifies_a_source_is_found_or_refused_in_one_line(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagenet").mkdir()  # a folder of images, no file of weights
    assert pretrained_digest("imagenet") == "imagenet"
    store.parent.parent.mkdir()
    store.parent.write_text("")
    for source, message in {"https://[": "Invalid IPv6 URL", "https://a.invalid/b.pth": "Not a directory"}.items():
        with pytest.raises(CheckpointError, match=rf"^model\.pretrained={re.escape(source)}: {message}$"):
            pretrained_digest(source)


def test_a_network_starts_from_an_address(server):
    address, folder, _ = server
    torch.manual_seed(0)
    trained = ResEncUNet(3, 4, (16, 16), width=4)
    torch.save(trained.state_dict(), folder / "network.pth")
    network = ResEncUNet(1, 2, (16, 16), width=4, pretrained=f"{address}/network.pth")
    stored = trained.encoder.state_dict()
    found = network.encoder.state_dict()
    assert torch.equal(found.pop("stem.0.weight"), stored["stem.0.weight"].mean(dim=1, keepdim=True) * 3)
    assert all(torch.equal(value, stored[name]) for name, value in found.items())
    message = r"weights of another network \(conv1.weight is missing and \d+ more do not match\)$"
    with pytest.raises(CheckpointError, match=rf"^model\.pretrained={address}/network\.pth: {message}"):
        DeepLabV3(1, 2, width=2, pretrained=f"{address}/network.pth")
    with pytest.raises(CheckpointError, match="the network has no published ones$"):
        ResEncUNet(1, 2, (16, 16), width=4, pretrained="imagenet")
