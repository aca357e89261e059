"""What those find who look for weak TLS: sslscan, testssl.sh and sslyze. Their verdicts are about what the configuration did not
ask for; CBC and RSA key exchange under the default `ssl_ciphers` are what it asks for, as with nginx."""
import json
import shutil
import subprocess
import xml.etree.ElementTree as tree

from sslyze import (ScanCommand, ScanCommandAttemptStatusEnum, Scanner, ServerNetworkConfiguration, ServerNetworkLocation,
                    ServerScanRequest)

from attack import Attack

TESTSSL = shutil.which("testssl") or shutil.which("testssl.sh") or "testssl"
#: What testssl.sh is asked: protocols, server's defaults, and the vulnerabilities.
CHECKS = ["--protocols", "--server-preference", "--heartbleed", "--ccs", "--ticketbleed", "--robot", "--renegotiation", "--crime", "--beast",
          "--poodle", "--tls_fallback", "--sweet32", "--freak", "--drown", "--logjam", "--rc4"]
#: What sslyze is asked: all but the certificate, which is this test's own, and http.
QUESTIONS = {ScanCommand.SSL_2_0_CIPHER_SUITES, ScanCommand.SSL_3_0_CIPHER_SUITES, ScanCommand.TLS_1_0_CIPHER_SUITES,
             ScanCommand.TLS_1_1_CIPHER_SUITES, ScanCommand.TLS_1_2_CIPHER_SUITES, ScanCommand.TLS_1_3_CIPHER_SUITES,
             ScanCommand.TLS_COMPRESSION, ScanCommand.TLS_1_3_EARLY_DATA, ScanCommand.OPENSSL_CCS_INJECTION,
             ScanCommand.TLS_FALLBACK_SCSV, ScanCommand.HEARTBLEED, ScanCommand.ROBOT, ScanCommand.SESSION_RENEGOTIATION,
             ScanCommand.TLS_EXTENDED_MASTER_SECRET}
QUIET = {"OK", "INFO"}
#: What it tells of itself, and of http, which is not spoken here.
ITSELF = {"engine_problem", "service"}


class Scanners(Attack):
    def sslscan(self, listener):
        port = self.gateway.ports[listener]
        run = subprocess.run(["sslscan", "--no-colour", "--xml=-", "--show-sigs", "--sni-name=localhost", f"127.0.0.1:{port}"],
                             capture_output=True, text=True, timeout=120, check=True)
        return tree.fromstring(run.stdout).find("ssltest")

    def common(self, test):
        on = {(one.get("type") + one.get("version")) for one in test.iter("protocol") if one.get("enabled") == "1"}
        self.assertEqual(on, {"tls1.2", "tls1.3"})
        self.assertEqual({one.get("vulnerable") for one in test.iter("heartbleed")}, {"0"})

    def test_sslscan_finds_the_default_fit(self):
        test = self.sslscan("default")
        self.common(test)
        for cipher in test.iter("cipher"):
            self.assertNotRegex(cipher.get("cipher"), "NULL|anon|ADH|AECDH|EXP|RC4|RC2|DES|MD5|PSK|SRP")
            self.assertGreaterEqual(int(cipher.get("bits")), 112)

    def test_sslscan_finds_what_the_modern_one_names(self):
        test = self.sslscan("modern")
        self.common(test)
        found = {one.get("cipher") for one in test.iter("cipher")}
        wanted = {f"ECDHE-{key}-{cipher}" for key in ("RSA", "ECDSA") for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384")}
        self.assertLessEqual(found - {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}, wanted)

    def ask_testssl(self, listener, checks):
        port, out = self.gateway.ports[listener], self.gateway.dir / f"{listener}.json"
        run = subprocess.run([TESTSSL, "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--nodns", "none", *checks,
                              "--connect-timeout", "10", "--openssl-timeout", "10", "--jsonfile", str(out), f"localhost:{port}"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=170)
        self.assertTrue(out.exists(), run.stdout + run.stderr)
        findings = json.loads(out.read_text())
        self.assertGreater(len(findings), 10, run.stdout)
        return {one["id"]: f"{one['severity']}: {one['finding']}" for one in findings
                if one["severity"] not in QUIET and one["id"] not in ITSELF}

    def test_testssl_has_nothing_to_say_about_the_modern_one(self):
        self.assertEqual(self.ask_testssl("modern", ["--protocols", "--server-preference", "--renegotiation"]), {})

    def test_testssl_has_little_to_say_about_the_default(self):
        said = self.ask_testssl("default", CHECKS)
        # Whose ciphers come first is `ssl_prefer_server_ciphers`, off unless it is asked for.
        self.assertEqual(said.pop("cipher_order", None), "HIGH: NOT a cipher order configured")
        self.assertEqual(said, {})

    def sslyze(self, listener):
        """What sslyze has found, by the names of its questions."""
        place = ServerNetworkLocation("localhost", self.gateway.ports[listener], ip_address="127.0.0.1")
        scanner = Scanner(per_server_concurrent_connections_limit=4)
        scanner.queue_scans([ServerScanRequest(place, scan_commands=QUESTIONS,
                                               network_configuration=ServerNetworkConfiguration("localhost", network_timeout=20))])
        [scanned] = scanner.get_results()
        self.assertIsNotNone(scanned.scan_result, scanned.connectivity_error_trace)
        found = {}
        for question in QUESTIONS:
            attempt = getattr(scanned.scan_result, question.value)
            self.assertEqual(attempt.status, ScanCommandAttemptStatusEnum.COMPLETED, f"{question}: {attempt.error_trace}")
            found[question.value] = attempt.result
        return found

    def test_sslyze_finds_nothing_that_was_not_asked_for(self):
        wanted = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
        for listener in ("default", "modern"):
            with self.subTest(listener):
                found = self.sslyze(listener)
                for version in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
                    self.assertEqual(found[f"{version}_cipher_suites"].accepted_cipher_suites, [], version)
                names = {one.cipher_suite.name for one in found["tls_1_3_cipher_suites"].accepted_cipher_suites}
                self.assertEqual(names, wanted)
                for one in found["tls_1_2_cipher_suites"].accepted_cipher_suites:
                    self.assertNotRegex(one.cipher_suite.name, "NULL|anon|EXPORT|RC4|RC2|DES|MD5|PSK|SRP")
                    if listener == "modern":
                        self.assertRegex(one.cipher_suite.name, "^TLS_ECDHE_(RSA|ECDSA)_WITH_AES_(128_GCM_SHA256|256_GCM_SHA384)$")
                self.assertFalse(found["tls_compression"].supports_compression)
                self.assertFalse(found["tls_1_3_early_data"].supports_early_data)
                self.assertFalse(found["openssl_ccs_injection"].is_vulnerable_to_ccs_injection)
                self.assertFalse(found["heartbleed"].is_vulnerable_to_heartbleed)
                self.assertTrue(found["tls_fallback_scsv"].supports_fallback_scsv)
                self.assertTrue(found["robot"].robot_result.value.startswith("NOT_VULNERABLE"), found["robot"])
                self.assertFalse(found["session_renegotiation"].is_vulnerable_to_client_renegotiation_dos)
                self.assertTrue(found["session_renegotiation"].supports_secure_renegotiation)
                self.assertTrue(found["tls_extended_master_secret"].supports_ems_extension)
