//! `-v`, `-V` and `-h`: what this program is, in the form that scripts read.

use crate::paths;

/// The release of nginx whose configuration language and behaviour this is.
pub(crate) const NGINX: &str = "1.31.5";

/// Where nginx names its compiler: which release of Lockgate this is.
pub(crate) const BUILT_BY: &str = concat!("built by Lockgate ", env!("CARGO_PKG_VERSION"));

/// What `-v` says.
pub(crate) fn version() -> String {
    format!("nginx version: nginx/{NGINX}\n")
}

/// What `-V` says: only what is in.
pub(crate) fn configure() -> String {
    let arguments = [
        format!("--prefix={}", paths::PREFIX.trim_end_matches('/')),
        format!("--conf-path={}", paths::CONF),
        format!("--error-log-path={}", paths::ERROR_LOG),
        format!("--pid-path={}", paths::PID),
        "--without-http".to_owned(),
        "--with-stream".to_owned(),
        "--with-stream_ssl_module".to_owned(),
        "--with-stream_realip_module".to_owned(),
        "--with-stream_ssl_preread_module".to_owned(),
        "--with-pcre".to_owned(),
        "--with-pcre-jit".to_owned(),
        "--with-threads".to_owned(),
    ];
    format!(
        "{}{BUILT_BY}\nbuilt with {}\nTLS SNI support enabled\nconfigure arguments: {}\n",
        version(),
        engine::library_version(),
        arguments.join(" ")
    )
}

/// What `-h` adds to the version.
pub(crate) const USAGE: &str = "\
Usage: lockgate [-?hvVtTq] [-s signal] [-p prefix]
                [-e filename] [-c filename] [-g directives]
       lockgate demo [--once]

Options:
  -?,-h         : this help
  -v            : show version and exit
  -V            : show version and configure options then exit
  -t            : test configuration and exit
  -T            : test configuration, dump it and exit
  -q            : suppress non-error messages during configuration testing
  -s signal     : send signal to a master process: stop, quit, reopen, reload
  -p prefix     : set prefix path (default: /usr/local/lockgate/)
  -e filename   : set error log file (default: logs/error.log)
  -c filename   : set configuration file (default: conf/nginx.conf)
  -g directives : set global directives out of configuration file

  demo          : play two gateways with both ends proven on loopback
";
