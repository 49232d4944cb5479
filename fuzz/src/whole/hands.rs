//! Hands that sign: private keys that everybody knows, one for each algorithm.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};

/// One key pair for each algorithm.
pub(super) struct Hands {
    eddsa: Ed25519KeyPair,
    es256: EcdsaKeyPair,
    rs256: RsaKeyPair,
    random: SystemRandom,
}

/// Always the same.
pub(super) static HANDS: LazyLock<Hands> = LazyLock::new(Hands::new);

impl Hands {
    fn new() -> Self {
        let random = SystemRandom::new();
        let eddsa = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any seed is a key");
        // The number one is a private key, and the generator of the curve (SEC 2 §2.4.2) its public key.
        let mut one = [0; 32];
        one[31] = 1;
        let point = [&[4][..], &GENERATOR].concat();
        let es256 =
            EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &one, &point, &random)
                .expect("they fit together");
        let pem = include_str!("../../../tests/src/issuer/rsa.pem").lines().filter(|line| !line.starts_with('-'));
        let der = STANDARD.decode(pem.collect::<String>()).expect("a key in PEM");
        Self { eddsa, es256, rs256: RsaKeyPair::from_pkcs8(&der).expect("a key for RSA"), random }
    }

    /// What is public of the key for an algorithm: `x` of `EdDSA`, `x` and `y` of ES256, `n` and `e` of RS256.
    pub(super) fn public(&self, algorithm: &str) -> Vec<Vec<u8>> {
        match algorithm {
            "EdDSA" => vec![self.eddsa.public_key().as_ref().to_vec()],
            "ES256" => vec![GENERATOR[..32].to_vec(), GENERATOR[32..].to_vec()],
            "RS256" => {
                let PublicKeyComponents { n, e } = self.rs256.public_key().into();
                vec![n, e]
            }
            other => panic!("nobody has a key for {other}"),
        }
    }

    /// The message with its signature: a token, if the message is a header and claims.
    pub(super) fn sign(&self, algorithm: &str, message: &str) -> String {
        let bytes = message.as_bytes();
        let signature = match algorithm {
            "EdDSA" => encode(self.eddsa.sign(bytes)),
            "ES256" => encode(self.es256.sign(&self.random, bytes).expect("there is randomness")),
            "RS256" => {
                let mut signature = vec![0; self.rs256.public().modulus_len()];
                self.rs256.sign(&RSA_PKCS1_SHA256, &self.random, bytes, &mut signature).expect("there is randomness");
                encode(signature)
            }
            other => panic!("nobody has a key for {other}"),
        };
        format!("{message}.{signature}")
    }
}

/// As tokens and sets of keys write bytes.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const GENERATOR: [u8; 64] = *b"\
    \x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\
    \x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";
