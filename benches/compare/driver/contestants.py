"""Who is compared, and the configuration that each gets for a workload."""
import json
import os
import signal


ORDER = ["nginx", "nginx-debian", "nginx-64k", "lockgate", "haproxy", "haproxy-splice", "envoy", "floor-splice",
         "floor-copy", "direct"]


class Contestant:
    """A program that takes a listening port and sends what comes there to a backend."""
    modes = ()
    also_tuned = False      # takes part only where other than default settings matter
    reload_signal = signal.SIGHUP

    def __init__(self, name, binary, environment=None):
        self.name, self.binary, self.environment = name, binary, environment

    def can(self, w):
        return w.mode in self.modes and (w.tuned or not self.also_tuned)

    def command(self, directory, w, port, backends, env):
        """Writes the configuration into `directory`; returns the words that start the program. `backends` are ports: the
        generator's, and of the second one if there is one."""
        raise NotImplementedError


class Nginx(Contestant):
    """nginx, and whatever takes its configuration and command line."""
    modes = ("pass", "term", "orig", "udp", "map", "certs")
    module, settings = "", ()

    def __init__(self, name, binary, extra=(), **more):
        super().__init__(name, binary, **more)
        self.extra, self.also_tuned = list(extra), bool(extra)

    def command(self, directory, w, port, backends, env):
        around, servers = getattr(self, "_" + w.mode)(w, port, backends, env)
        lines = [self.module, "user root;" if os.geteuid() == 0 else "", "daemon off;", f"worker_processes {w.workers};",
                 "pid nginx.pid;", f"events {{ worker_connections {w.connections()}; }}", "stream {", *self.settings, *around]
        for server in servers:
            lines += ["server {", *("    " + line for line in [*server, *self.extra]), "}"]
        with open(f"{directory}/nginx.conf", "w") as f:
            f.write("\n".join(line for line in [*lines, "}"] if line) + "\n")
        return [self.binary, "-p", directory, "-c", "nginx.conf", "-e", "error.log"]

    def _listen(self, w, port, more=""):
        return f"listen 127.0.0.1:{port}{more}{' reuseport' * w.reuseport};"

    def _by_name(self, w, variable, backends):
        names = ["bench.test be;", "small.test small;" if w.small else "", "default none;"]
        return [f"map {variable} $up {{ {' '.join(names)} }}", f"upstream be {{ server 127.0.0.1:{backends[0]}; }}",
                f"upstream small {{ server 127.0.0.1:{backends[-1]}; }}", "upstream none { server 127.0.0.1:1; }"]

    def _pass(self, w, port, backends, env):
        around = self._by_name(w, "$ssl_preread_server_name", backends)
        return around, [[self._listen(w, port), "ssl_preread on;", "proxy_pass $up;"]]

    def _map(self, w, port, backends, env):
        around = [f"map_hash_max_size {max(2048, 2 * w.names)};", "map_hash_bucket_size 512;",
                  f"map $ssl_preread_server_name $up {{ default none; include {env.names(w.names, ';')}; }}",
                  "upstream none { server 127.0.0.1:1; }",
                  *(f"upstream u{i} {{ server 127.0.0.1:{backends[0]}; }}" for i in range(8))]
        return around, [[self._listen(w, port), "ssl_preread on;", "proxy_pass $up;"]]

    def _term(self, w, port, backends, env):
        server = [self._listen(w, port, " ssl"), f"ssl_certificate {env.certs}/{w.cert}.crt;",
                  f"ssl_certificate_key {env.certs}/{w.cert}.key;",
                  "proxy_pass $up;" if w.small else f"proxy_pass 127.0.0.1:{backends[0]};"]
        if w.mtls:
            server += [f"ssl_client_certificate {env.certs}/ca.crt;", "ssl_verify_client on;"]
        return self._by_name(w, "$ssl_server_name", backends) if w.small else [], [server]

    def _orig(self, w, port, backends, env):
        server = [self._listen(w, port), f"proxy_pass 127.0.0.1:{backends[0]};", "proxy_ssl on;", "proxy_ssl_verify on;",
                  f"proxy_ssl_trusted_certificate {env.certs}/ca.crt;", "proxy_ssl_name bench.test;",
                  "proxy_ssl_server_name on;", "proxy_ssl_session_reuse off;" if w.fresh_sessions else ""]
        return [], [server]

    def _udp(self, w, port, backends, env):
        return [], [[self._listen(w, port, " udp"), f"proxy_pass 127.0.0.1:{backends[0]};", "proxy_timeout 20s;",
                     "proxy_responses 1;" if w.fresh else ""]]

    def _certs(self, w, port, backends, env):
        many = env.certificates(w.names)
        listen, proxy = self._listen(w, port, " ssl"), f"proxy_pass 127.0.0.1:{backends[0]};"
        if w.by == "variable":
            return [], [[listen, f"ssl_certificate {many}/$ssl_server_name.crt;",
                         f"ssl_certificate_key {many}/$ssl_server_name.key;", proxy]]
        names = [f"h{i:07}.bench.test" for i in range(w.names)]
        around = [f"server_names_hash_max_size {max(1024, 2 * w.names)};", "server_names_hash_bucket_size 128;"]
        return around, [[listen, f"server_name {name};", f"ssl_certificate {many}/{name}.crt;",
                         f"ssl_certificate_key {many}/{name}.key;", proxy] for name in names]


class DebianNginx(Nginx):
    """Older than server_name in stream, and than TLS 1.3 without being told."""

    def __init__(self, name, binary, module, **more):
        super().__init__(name, binary, **more)
        self.module = f"load_module {module};"
        self.settings = ["ssl_protocols TLSv1.2 TLSv1.3;", "proxy_ssl_protocols TLSv1.2 TLSv1.3;"]

    def can(self, w):
        return super().can(w) and w.by != "servers"


class Haproxy(Contestant):
    modes = ("pass", "term", "orig", "map", "certs")
    reload_signal = signal.SIGUSR2

    def __init__(self, name, binary, splice="splice-auto", **more):
        super().__init__(name, binary, **more)
        self.splice, self.also_tuned = splice.split(), splice != "splice-auto"

    def can(self, w):
        return super().can(w) and w.by != "variable"

    def command(self, directory, w, port, backends, env):
        most = w.connections() // 2
        lines = ["global", f"  nbthread {w.workers}", f"  maxconn {most}", "  maxpipes 20" if w.idle else "",
                 "defaults", "  mode tcp", "  timeout connect 5s", "  timeout client 120s", "  timeout server 120s",
                 f"  maxconn {most}", *(f"  option {option}" for option in self.splice), "frontend f",
                 self._bind(w, port, env)]
        if w.mode in ("pass", "map"):
            lines += ["  tcp-request inspect-delay 5s", "  tcp-request content accept if { req.ssl_hello_type 1 }"]
        lines += getattr(self, "_" + w.mode)(w, f"  server s 127.0.0.1:{backends[0]}", backends, env)
        with open(f"{directory}/haproxy.cfg", "w") as f:
            f.write("\n".join(line for line in lines if line) + "\n")
        return [self.binary, "-W" if w.reloads else "-db", "-f", f"{directory}/haproxy.cfg"]

    def _bind(self, w, port, env):
        line = f"  bind 127.0.0.1:{port}"
        if w.mode == "term":
            line += f" ssl crt {env.certs}/{w.cert}.pem"
            if w.mtls:
                line += f" ca-file {env.certs}/ca.crt verify required"
        elif w.mode == "certs":
            line += f" ssl crt {env.certificates(w.names, 'pem')}/"
        return line

    def _pass(self, w, server, backends, env):
        return self._by_name(w, "req.ssl_sni", server, backends)

    def _by_name(self, w, fetch, server, backends):
        return [f"  use_backend be if {{ {fetch} -i bench.test }}",
                f"  use_backend small if {{ {fetch} -i small.test }}" if w.small else "", "  default_backend none",
                "backend be", server, "backend small", f"  server s 127.0.0.1:{backends[-1]}",
                "backend none", "  server s 127.0.0.1:1"]

    def _map(self, w, server, backends, env):
        lines = [f"  use_backend %[req.ssl_sni,lower,map_str({env.names(w.names, '')},none)]"]
        for i in range(8):
            lines += [f"backend u{i}", server]
        return [*lines, "backend none", "  server s 127.0.0.1:1"]

    def _term(self, w, server, backends, env):
        return self._by_name(w, "ssl_fc_sni", server, backends) if w.small else ["  default_backend be", "backend be", server]

    _certs = _term

    def _orig(self, w, server, backends, env):
        server += f" ssl verify required ca-file {env.certs}/ca.crt sni str(bench.test) verifyhost bench.test"
        return ["  default_backend be", "backend be", server + " no-ssl-reuse" * w.fresh_sessions]


class Envoy(Contestant):
    modes = ("pass", "term", "orig", "certs")
    types = "type.googleapis.com/envoy.extensions."

    def can(self, w):
        return super().can(w) and not w.reloads and w.by != "variable"

    def command(self, directory, w, port, backends, env):
        clusters = [self._cluster("be", backends[0])]
        listener = {"name": "f", "address": self._address(port), "filter_chains": []}
        chains = listener["filter_chains"]
        inspector = [{"name": "envoy.filters.listener.tls_inspector", "typed_config": {
            "@type": self.types + "filters.listener.tls_inspector.v3.TlsInspector"}}]
        if w.mode in ("pass", "term"):
            tls = {"transport_socket": self._downstream(f"{env.certs}/{w.cert}", w, env)} if w.mode == "term" else {}
            by_name = w.mode == "pass" or w.small
            if by_name:
                listener["listener_filters"] = inspector
            chains.append(self._chain("be", "bench.test" if by_name else None) | tls)
            if w.small:
                chains.append(self._chain("small", "small.test") | tls)
                clusters.append(self._cluster("small", backends[-1]))
        elif w.mode == "certs":
            listener["listener_filters"] = inspector
            many = env.certificates(w.names)
            for name in (f"h{i:07}.bench.test" for i in range(w.names)):
                chains.append(self._chain("be", name) | {
                    "name": name, "transport_socket": self._downstream(f"{many}/{name}", w, env)})
        else:
            chains.append(self._chain("be"))
            upstream = {"sni": "bench.test", "common_tls_context": {
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},      # TLS 1.2 unless it is told
                "validation_context": {"trusted_ca": {"filename": f"{env.certs}/ca.crt"}}}}
            if w.fresh_sessions:
                upstream["max_session_keys"] = 0
            clusters[0]["transport_socket"] = self._tls("Upstream", upstream)
        with open(f"{directory}/envoy.json", "w") as f:
            json.dump({"static_resources": {"listeners": [listener], "clusters": clusters}}, f)
        return [self.binary, "-c", f"{directory}/envoy.json", "--concurrency", str(w.workers), "--disable-hot-restart",
                "-l", "error"]

    def _address(self, port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    def _cluster(self, name, port):
        return {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
            "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": self._address(port)}}]}]},
            "circuit_breakers": {"thresholds": [{"max_connections": 100000, "max_pending_requests": 100000}]}}

    def _chain(self, cluster, name=None):
        chain = {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {
            "@type": self.types + "filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "b", "cluster": cluster, "idle_timeout": "600s"}}]}
        return chain | {"filter_chain_match": {"server_names": [name]}} if name else chain

    def _tls(self, side, context):
        return {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": f"{self.types}transport_sockets.tls.v3.{side}TlsContext", **context}}

    def _downstream(self, certificate, w, env):
        common = {"tls_certificates": [{"certificate_chain": {"filename": f"{certificate}.crt"},
                                        "private_key": {"filename": f"{certificate}.key"}}]}
        if w.mtls:
            common["validation_context"] = {"trusted_ca": {"filename": f"{env.certs}/ca.crt"}}
        return self._tls("Downstream", {"common_tls_context": common, "require_client_certificate": w.mtls})


class Floor(Contestant):
    """The generator's own relay, which has no features: what of the cost is the kernel's."""
    modes = ("pass",)

    def can(self, w):
        return super().can(w) and not w.reloads and not w.small and w.workers == 1

    def command(self, directory, w, port, backends, env):
        return [self.binary, "relay", "--mode", self.name.split("-")[1], "--listen", str(port), "--to", str(backends[0])]


class Direct(Contestant):
    """No gateway between: what the generator itself takes."""
    modes = ("pass", "udp")

    def can(self, w):
        return super().can(w) and w.workers == 1 and w.unit in ("GiB", "conn", "rtt", "ping")


def chosen(a):
    """The contestants that are here."""
    found = [Nginx("nginx", a.nginx)] if a.nginx else []
    if a.debian_nginx and a.debian_module:
        found.append(DebianNginx("nginx-debian", a.debian_nginx, a.debian_module, environment=a.debian_environment))
    if a.nginx:
        found.append(Nginx("nginx-64k", a.nginx, ["proxy_buffer_size 64k;"]))
    if a.lockgate:
        found.append(Nginx("lockgate", os.path.abspath(a.lockgate)))
    for like in a.like:
        name, binary = like.split("=", 1)
        found.append(Nginx(name, os.path.abspath(binary)))
    if a.haproxy:
        found.append(Haproxy("haproxy", a.haproxy, environment=a.debian_environment))
        found.append(Haproxy("haproxy-splice", a.haproxy, "splice-request splice-response", environment=a.debian_environment))
    if a.envoy:
        found.append(Envoy("envoy", a.envoy))
    found += [Floor("floor-splice", a.load), Floor("floor-copy", a.load), Direct("direct", None)]
    return [c for c in found if not a.contestants or c.name in a.contestants]


def order(name):
    """Where a contestant stands in tables; those that were named on the command line at the end."""
    return ORDER.index(name) if name in ORDER else len(ORDER)
