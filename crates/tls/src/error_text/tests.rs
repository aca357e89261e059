use super::*;

#[test]
fn one_error_reads_as_with_openssl() {
    let errors = LibraryErrors::single(0x0A00_009C, "SSL routines", "http request", "");
    assert_eq!(errors.to_string(), "error:0A00009C:SSL routines::http request");
    assert!(errors.is_peers_fault());
}

#[test]
fn several_errors_are_separated_by_a_space_and_carry_data() {
    let errors = LibraryErrors::single(0x0A00_00B9, "SSL routines", "no cipher match", "").and(LibraryErrors::single(
        0x0A00_0180,
        "SSL routines",
        "bad value",
        "cmd=Ciphersuites, value=bar",
    ));
    assert_eq!(
        errors.to_string(),
        "error:0A0000B9:SSL routines::no cipher match error:0A000180:SSL routines::bad value:cmd=Ciphersuites, value=bar"
    );
    assert!(!errors.is_peers_fault());
}

#[test]
fn an_empty_queue_is_nobodys_fault() {
    assert!(!LibraryErrors::default().is_peers_fault());
    assert_eq!(error_queue_text(), "");
}

#[cfg(feature = "aws-lc")]
#[test]
fn the_table_of_reasons_is_sorted() {
    assert!(reasons::SSL_REASONS.is_sorted_by_key(|row| row.0));
}

#[cfg(feature = "aws-lc")]
#[test]
fn alerts_without_a_name_have_their_number() {
    for (alert, text) in [
        (109, "error:0A000455:SSL routines::tlsv13 alert missing extension:SSL alert number 109"),
        (116, "error:0A00045C:SSL routines::tlsv13 alert certificate required:SSL alert number 116"),
        (121, "error:0A000461:SSL routines::reason(1121):SSL alert number 121"),
    ] {
        assert_eq!(LibraryErrors::alert(alert).to_string(), text);
    }
}

#[test]
fn what_a_client_breaks_is_its_own_fault() {
    for reason in [103, 108, 115, 146, 205, 267, 293, 313, 339, 376, 443, 1040, 1120] {
        assert!(LibraryErrors::single(LIB_SSL << 23 | reason, "SSL routines", "", "").is_peers_fault(), "{reason}");
    }
    let decryption = LibraryErrors::single(0x1C80_0064, "Provider routines", "bad decrypt", "");
    assert!(!decryption.is_peers_fault());
    assert!(decryption.and(LibraryErrors::single(0x0A00_0119, "SSL routines", "", "")).is_peers_fault());
    for reason in [68, 107, 134, 191, 203, 299, 410] {
        assert!(!LibraryErrors::single(LIB_SSL << 23 | reason, "SSL routines", "", "").is_peers_fault(), "{reason}");
    }
}
