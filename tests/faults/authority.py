"""Certificates: one authority for each side, and what they issue."""
import os
import pathlib
import subprocess


class Authority:
    """A certificate authority in a directory. Its certificate is `NAME.crt` there."""

    def __init__(self, directory, name):
        self.directory, self.name = pathlib.Path(directory), name
        self.certificate = self.directory / f"{name}.crt"
        self._request(name, "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def _request(self, file, *words):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", self.directory / f"{file}.key"]
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "90", *key, "-out", self.directory / f"{file}.crt", *words],
                       check=True, stderr=subprocess.DEVNULL)

    def issue(self, file, *names):
        """Puts a certificate for these names into `file`.crt, its key into `file`.key."""
        self._request(file, "-subj", f"/CN={names[0]}", "-CA", self.certificate, "-CAkey", self.directory / f"{self.name}.key",
                      "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
        return self.directory / f"{file}.crt", self.directory / f"{file}.key"


def replace(directory, file, other):
    """Puts the pair `other` in place of the pair `file`, each file at a stroke but one after the other."""
    for kind in ("key", "crt"):
        fresh = directory / f"{file}.{kind}.new"
        fresh.write_bytes((directory / f"{other}.{kind}").read_bytes())
        os.rename(fresh, directory / f"{file}.{kind}")
