"""Certificate authorities of their own, made by openssl."""

from lab import run

KEY = ["-newkey", "rsa:2048", "-nodes"]


class Authority:
    def __init__(self, where, name):
        self._where, self._name = where, name
        self.file = where / f"{name}.pem"
        run("openssl", "req", "-x509", *KEY, "-keyout", where / f"{name}.key",
            "-out", self.file, "-subj", f"/CN={name}", "-days", "30")

    def issue(self, file, name, days=30):
        """A key and a certificate for a name, expired with days=-1: nginx's
        words for them."""
        base = self._where / file
        names = base.with_suffix(".ext")
        names.write_text(f"subjectAltName = DNS:{name}\n")
        key, request = base.with_suffix(".key"), base.with_suffix(".csr")
        cert = base.with_suffix(".crt")
        run("openssl", "req", *KEY, "-keyout", key, "-out", request,
            "-subj", f"/CN={name}")
        run("openssl", "x509", "-req", "-in", request, "-out", cert,
            "-CA", self.file, "-CAkey", self._where / f"{self._name}.key",
            "-CAcreateserial", "-days", days, "-extfile", names)
        return f"ssl_certificate {cert}; ssl_certificate_key {key};"
