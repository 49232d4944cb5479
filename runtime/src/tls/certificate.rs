//! What stands in a certificate.

use std::fmt;
use std::ops::RangeInclusive;

use revtun_core::binding::Statement;
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// A certificate that was taken apart.
#[derive(Debug)]
pub struct Certificate<'a>(X509Certificate<'a>);

impl<'a> Certificate<'a> {
    /// Takes a certificate apart. Whether to trust it is another question.
    ///
    /// # Errors
    /// If it is not an X.509 certificate.
    pub fn parse(der: &'a CertificateDer<'_>) -> Result<Self, NotX509> {
        X509Certificate::from_der(der).map(|(_, certificate)| Self(certificate)).map_err(|_| NotX509)
    }

    /// Its subject alternative names that may prove an identity.
    pub fn names(&self) -> Vec<Statement<'_>> {
        let Ok(Some(extension)) = self.0.subject_alternative_name() else { return Vec::new() };
        let names = extension.value.general_names.iter();
        let name = |name: &GeneralName<'a>| match *name {
            GeneralName::DNSName(name) => Some(Statement::Dns(name)),
            GeneralName::URI(name) => Some(Statement::Uri(name)),
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::IPAddress(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => None,
        };
        names.filter_map(name).collect()
    }

    /// Its serial number, big-endian.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.0.raw_serial()
    }

    /// The first and the last second in which it is valid, since 1970.
    #[must_use]
    pub fn validity(&self) -> RangeInclusive<u64> {
        let second = |time: ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
        second(self.0.validity().not_before)..=second(self.0.validity().not_after)
    }
}

/// Something is not an X.509 certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotX509;

impl fmt::Display for NotX509 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not an X.509 certificate")
    }
}

impl std::error::Error for NotX509 {}
