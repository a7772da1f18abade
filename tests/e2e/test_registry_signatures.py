# SPDX-License-Identifier: Apache-2.0
"""A policy, and signatures as cosign makes them, at a server of the test's own."""

import base64
import json

import pytest

from harness.registry import MANIFEST, digest_of, fails, tool

pytestmark = pytest.mark.davit
IMAGE = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST}).encode()
CONFIG = b"{}"


@pytest.fixture
def image(server, certificates, work):
    """x/y:v1, a policy that wants it signed by the key of certificates["ca.key"], and what makes signatures."""
    name = f"{server.host}/x/y:v1"
    server.manifest(IMAGE, "v1")
    key = certificates.run("pkey", "-in", "ca.key", "-pubout").decode()
    (work / "key.pub").write_text(key)

    class Image:
        policy = work / "policy.json"

        @staticmethod
        def want(identity="matchRepository", **keys):
            rule = {"type": "sigstoreSigned", **(keys or {"keyPath": str(work / "key.pub")}), "signedIdentity": {"type": identity}}
            Image.policy.write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"docker": {server.host: [rule]}}}))

        @staticmethod
        def statement(digest=digest_of(IMAGE), about=f"{server.host}/x/y", with_key="ca.key"):
            payload = json.dumps({"critical": {"identity": {"docker-reference": about}, "image": {"docker-manifest-digest": digest},
                                               "type": "cosign container image signature"}, "optional": None}).encode()
            signature = certificates.run("dgst", "-sha256", "-sign", with_key, stdin=payload)
            return payload, base64.b64encode(signature).decode()

        @staticmethod
        def sign(*statements):
            layers = [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": server.blob(payload),
                       "size": len(payload), "annotations": {"dev.cosignproject.cosign/signature": signature}}
                      for payload, signature in statements]
            manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers, "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(CONFIG), "size": len(CONFIG)}}).encode()
            server.manifest(manifest, digest_of(IMAGE).replace(":", "-") + ".sig")

        @staticmethod
        def verify():
            return tool("verify", name, Image.policy).stdout

        @staticmethod
        def refused():
            line = fails("PERMISSION", "verify", name, Image.policy)
            assert name in line
            return line
    return Image


def test_signed(image, work):
    image.want()
    assert "there is none, and the policy for localhost" in image.refused()
    image.sign(image.statement())
    assert image.verify() == b"signed\n"
    image.want(keyData=base64.b64encode((work / "key.pub").read_bytes()).decode())
    assert image.verify() == b"signed\n"


def test_signed_by_others_first(image):
    image.want()
    image.sign(image.statement(with_key="server.key"), image.statement(digest=digest_of(b"other")), image.statement())
    assert image.verify() == b"signed\n"


def test_not_signed_well(image):
    image.want()
    image.sign(image.statement(with_key="server.key"))
    assert "the signature is not by this key" in image.refused()
    image.sign(image.statement(digest=digest_of(b"other")))
    assert "the statement is about another image" in image.refused()
    image.sign(image.statement(about="evil.example/x/y"))
    assert 'the statement is about the name "evil.example/x/y"' in image.refused()
    image.sign()
    assert "there is no statement" in image.refused()
    image.sign(image.statement())
    image.want(identity="matchExact")
    assert "the statement is about the name" in image.refused()


def test_policies_without_signatures(image, work):
    image.policy.write_text(json.dumps({"default": [{"type": "reject"}]}))
    assert "rejected by the policy for default" in image.refused()
    image.policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    assert image.verify() == b"accepted\n"
