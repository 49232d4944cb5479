//! Certificates for a test, in files of its own.

use std::fs;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use crate::revtun::profile_dir;

/// Who signs certificates; keeps them in a folder that goes with it.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The files of one certificate and its key.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate, in PEM.
    pub cert: String,
    /// Its key, in PEM.
    pub key: String,
}

impl Authority {
    /// A new one, which nobody knows.
    ///
    /// # Panics
    /// If the target folder is not writable.
    #[must_use]
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("certificates-{}-{}", process::id(), MADE.fetch_add(1, Ordering::SeqCst));
        let folder = profile_dir().join(name);
        fs::create_dir_all(&folder).expect("the target folder is writable");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("there is randomness");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a sound certificate");
        fs::write(folder.join("ca.pem"), issuer.pem()).expect("the target folder is writable");
        Self { folder, issuer }
    }

    /// The file with its own certificate.
    #[must_use]
    pub fn ca(&self) -> String {
        self.path("ca.pem")
    }

    /// A certificate for `names`: DNS names, IP addresses, or URIs with `://`.
    #[must_use]
    pub fn issue(&self, file: &str, names: &[&str]) -> Files {
        self.issue_until(file, names, (2090, 1, 1))
    }

    /// The same with the day on which it ends.
    pub fn issue_until(&self, file: &str, names: &[&str], (year, month, day): (i32, u8, u8)) -> Files {
        let end = date_time_ymd(year, month, day).unix_timestamp();
        self.issue_to(file, names, u64::try_from(end).unwrap_or(0))
    }

    /// The same with the last second in which it is valid, since 1970.
    pub fn issue_to(&self, file: &str, names: &[&str], end: u64) -> Files {
        self.issue_for(file, names, 0..=end)
    }

    /// The same with the first second as well.
    ///
    /// # Panics
    /// If a name is none.
    pub fn issue_for(&self, file: &str, names: &[&str], valid: RangeInclusive<u64>) -> Files {
        self.issue_with(file, names, valid, None)
    }

    /// A certificate of this serial number.
    #[must_use]
    pub fn issue_numbered(&self, file: &str, names: &[&str], number: u8) -> Files {
        let ever = 0..=u64::try_from(date_time_ymd(2090, 1, 1).unix_timestamp()).unwrap_or(0);
        self.issue_with(file, names, ever, Some(SerialNumber::from(vec![number])))
    }

    /// A list in PEM that revokes the certificates of these serial numbers.
    #[must_use]
    pub fn revocation_list(&self, numbers: &[u8]) -> String {
        revocation_list(&self.issuer, numbers)
    }

    fn issue_with(
        &self,
        file: &str,
        names: &[&str],
        valid: RangeInclusive<u64>,
        number: Option<SerialNumber>,
    ) -> Files {
        let (uris, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("://"));
        let others: Vec<String> = others.into_iter().map(ToOwned::to_owned).collect();
        let mut params = CertificateParams::new(others).expect("legal names");
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().expect("a legal URI"))));
        params.serial_number = number;
        // Of another name than who signs it, or it passes for self-signed.
        params.distinguished_name.push(DnType::CommonName, file);
        params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(*valid.start());
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(*valid.end());
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("a sound certificate");
        let files = Files { cert: self.path(&format!("{file}.pem")), key: self.path(&format!("{file}.key")) };
        fs::write(&files.cert, certificate.pem()).expect("the target folder is writable");
        write_key(&files.key, &key.serialize_pem());
        files
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).to_str().expect("a path in UTF-8").to_owned()
    }
}

/// A key that cannot be used for TLS here, of the curve P-521, in PEM.
pub const P521: &str = include_str!("certificates/p521.pem");

/// A list in PEM by which `ca` revokes the certificates of these serial numbers.
///
/// # Panics
/// If `ca` may not sign lists.
#[must_use]
pub fn revocation_list(ca: &CertifiedIssuer<'static, KeyPair>, numbers: &[u8]) -> String {
    let since = date_time_ymd(2020, 1, 1);
    let revoked = |number: &u8| RevokedCertParams {
        serial_number: SerialNumber::from(vec![*number]),
        revocation_time: since,
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: since,
        next_update: date_time_ymd(2090, 1, 1),
        crl_number: SerialNumber::from(vec![1]),
        issuing_distribution_point: None,
        revoked_certs: numbers.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(ca).and_then(|list| list.pem()).expect("a CA that signs lists")
}

/// Writes a private key as it should be: for its owner alone.
///
/// # Panics
/// If the target folder is not writable.
pub fn write_key(path: &str, pem: &str) {
    let _not_there = fs::remove_file(path);
    let mut options = fs::File::options();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).and_then(|mut file| file.write_all(pem.as_bytes())).expect("the target folder is writable");
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.folder);
    }
}
