//! Names that belong to other subsystems of nginx: known words in the wrong place, not unknown
//! ones.

/// Directives of `http`, `mail` and their modules, sorted.
const NAMES: &[&str] = &[
    "absolute_redirect", "accept_filter", "add_after_body", "add_before_body", "add_header", "add_trailer",
    "addition_types", "aio", "aio_write", "alias", "ancient_browser", "ancient_browser_value", "auth_basic",
    "auth_basic_user_file", "auth_delay", "auth_http", "auth_http_header", "auth_http_pass_client_cert",
    "auth_http_timeout", "auth_request", "auth_request_set", "autoindex", "autoindex_exact_size",
    "autoindex_format", "autoindex_localtime", "break", "charset", "charset_map", "charset_types",
    "chunked_transfer_encoding", "client_body_buffer_size", "client_body_in_file_only",
    "client_body_in_single_buffer", "client_body_temp_path", "client_body_timeout", "client_header_buffer_size",
    "client_header_timeout", "client_max_body_size", "connection_pool_size", "create_full_put_path",
    "dav_access", "dav_methods", "default_type", "directio", "directio_alignment", "disable_symlinks",
    "early_hints", "empty_gif", "error_page", "etag", "expires", "fastcgi_bind", "fastcgi_buffer_size",
    "fastcgi_buffering", "fastcgi_buffers", "fastcgi_cache", "fastcgi_cache_key", "fastcgi_cache_path",
    "fastcgi_connect_timeout", "fastcgi_index", "fastcgi_param", "fastcgi_pass", "fastcgi_read_timeout",
    "fastcgi_send_timeout", "flv", "grpc_pass", "grpc_set_header", "gunzip", "gzip", "gzip_buffers",
    "gzip_comp_level", "gzip_disable", "gzip_http_version", "gzip_min_length", "gzip_proxied", "gzip_static",
    "gzip_types", "gzip_vary", "http", "http2", "http2_body_preread_size", "http2_chunk_size",
    "http2_max_concurrent_streams", "http3", "if", "if_modified_since", "ignore_invalid_headers",
    "image_filter", "imap_auth", "imap_capabilities", "imap_client_buffer", "index", "internal", "ip_hash",
    "keepalive", "keepalive_disable", "keepalive_min_timeout", "keepalive_requests", "keepalive_time",
    "keepalive_timeout", "large_client_header_buffers", "limit_except", "limit_rate", "limit_rate_after",
    "limit_req", "limit_req_dry_run", "limit_req_log_level", "limit_req_status", "limit_req_zone",
    "lingering_close", "lingering_time", "lingering_timeout", "location", "log_not_found", "log_subrequest",
    "mail", "max_errors", "max_headers", "max_ranges", "memcached_pass", "merge_slashes", "min_delete_depth",
    "mirror", "mirror_request_body", "modern_browser", "modern_browser_value", "mp4", "msie_padding",
    "msie_refresh", "open_file_cache", "open_file_cache_errors", "open_file_cache_min_uses",
    "open_file_cache_valid", "output_buffers", "override_charset", "perl", "perl_modules", "perl_require",
    "perl_set", "pop3_auth", "pop3_capabilities", "port_in_redirect", "postpone_output", "protocol",
    "proxy_buffer", "proxy_buffering", "proxy_buffers", "proxy_busy_buffers_size", "proxy_cache",
    "proxy_cache_bypass", "proxy_cache_key", "proxy_cache_lock", "proxy_cache_path", "proxy_cache_valid",
    "proxy_cookie_domain", "proxy_cookie_path", "proxy_force_ranges", "proxy_headers_hash_bucket_size",
    "proxy_headers_hash_max_size", "proxy_hide_header", "proxy_http_version", "proxy_ignore_client_abort",
    "proxy_ignore_headers", "proxy_intercept_errors", "proxy_limit_rate", "proxy_max_temp_file_size",
    "proxy_method", "proxy_no_cache", "proxy_pass_error_message", "proxy_pass_header",
    "proxy_pass_request_body", "proxy_pass_request_headers", "proxy_read_timeout", "proxy_redirect",
    "proxy_request_buffering", "proxy_send_lowat", "proxy_send_timeout", "proxy_set_body", "proxy_set_header",
    "proxy_smtp_auth", "proxy_store", "proxy_store_access", "proxy_temp_file_write_size", "proxy_temp_path",
    "quic_active_connection_id_limit", "quic_bpf", "quic_gso", "quic_host_key", "quic_retry", "random_index",
    "read_ahead", "real_ip_header", "real_ip_recursive", "recursive_error_pages", "referer_hash_bucket_size",
    "referer_hash_max_size", "request_pool_size", "reset_timedout_connection", "rewrite", "rewrite_log", "root",
    "satisfy", "scgi_param", "scgi_pass", "secure_link", "secure_link_md5", "secure_link_secret",
    "send_lowat", "send_timeout", "sendfile", "sendfile_max_chunk", "server_name_in_redirect",
    "server_tokens", "slice", "smtp_auth", "smtp_capabilities", "smtp_client_buffer", "smtp_greeting_delay",
    "source_charset", "ssi", "ssi_types", "ssl_buffer_size", "ssl_early_data", "starttls", "stub_status",
    "sub_filter", "sub_filter_once", "sub_filter_types", "subrequest_output_buffer_size", "tcp_nopush",
    "timeout", "try_files", "types", "types_hash_bucket_size", "types_hash_max_size", "underscores_in_headers",
    "uninitialized_variable_warn", "userid", "userid_domain", "userid_expires", "userid_name", "uwsgi_param",
    "uwsgi_pass", "valid_referers", "xclient", "xml_entities", "xslt_stylesheet",
];

/// Whether some subsystem that is not here knows `name`.
pub(crate) fn is_known(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

/// What to do about it.
pub(crate) fn help(name: &str) -> Option<&'static str> {
    match name {
        "http" | "mail" => Some(
            "Lockgate serves stream { } only: keep the other block in a configuration for nginx, and let both \
             share a machine",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(NAMES.is_sorted());
        assert!(is_known("location") && is_known("ssl_early_data") && !is_known("proxy_pas"));
        for own in crate::directives() {
            assert!(!is_known(own.name), "{} is ours", own.name);
        }
    }
}
