//! Passkeys, with an authenticator made of a key pair and a little CBOR.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ciborium::Value as Cbor;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

use crate::support::{Answer, Folder, Server};

/// What an authenticator and the browser before it do: W3C Web Authentication, level 2, §6.
struct Authenticator {
    key: KeyPair,
    cose: Vec<u8>,
    id: Vec<u8>,
    counter: u32,
    /// User present, user verified.
    flags: u8,
    origin: String,
    host: String,
}

impl Authenticator {
    fn new(key: KeyPair, origin: &str, host: &str) -> Self {
        let cose = cose(&key);
        Self { key, cose, id: vec![7; 32], counter: 0, flags: 5, origin: origin.into(), host: host.into() }
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let data =
            json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false });
        data.to_string().into_bytes()
    }

    fn data(&self, attested: bool) -> Vec<u8> {
        let mut data = crypto::sha256(self.host.as_bytes()).to_vec();
        data.push(self.flags | if attested { 0x40 } else { 0 });
        data.extend(self.counter.to_be_bytes());
        if attested {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
            data.extend(&self.cose);
        }
        data
    }

    fn create(&self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.create", &options["challenge"]);
        let object = Cbor::Map(vec![
            (Cbor::from("fmt"), Cbor::from("none")),
            (Cbor::from("attStmt"), Cbor::Map(Vec::new())),
            (Cbor::from("authData"), Cbor::Bytes(self.data(true))),
        ]);
        let mut attestation = Vec::new();
        ciborium::ser::into_writer(&object, &mut attestation).unwrap();
        json!({ "id": BASE64.encode(&self.id), "rawId": BASE64.encode(&self.id), "type": "public-key", "response": {
            "clientDataJSON": BASE64.encode(client_data), "attestationObject": BASE64.encode(attestation),
        } })
    }

    fn get(&mut self, options: &Value) -> Value {
        self.counter += 1;
        let client_data = self.client_data("webauthn.get", &options["challenge"]);
        let data = self.data(false);
        let signature = self.key.sign(&[&data[..], &crypto::sha256(&client_data)].concat()).unwrap();
        json!({ "id": BASE64.encode(&self.id), "rawId": BASE64.encode(&self.id), "type": "public-key", "response": {
            "clientDataJSON": BASE64.encode(client_data), "authenticatorData": BASE64.encode(data),
            "signature": BASE64.encode(signature),
        } })
    }
}

/// The public key as COSE (RFC 9052 §7).
fn cose(key: &KeyPair) -> Vec<u8> {
    let raw = key.der_bytes();
    let int = |i: i64| Cbor::Integer(i.into());
    let map = if raw.len() == 65 {
        vec![
            (int(1), int(2)),
            (int(3), int(-7)),
            (int(-1), int(1)),
            (int(-2), Cbor::Bytes(raw[1..33].to_vec())),
            (int(-3), Cbor::Bytes(raw[33..].to_vec())),
        ]
    } else {
        vec![(int(1), int(1)), (int(3), int(-8)), (int(-1), int(6)), (int(-2), Cbor::Bytes(raw.to_vec()))]
    };
    let mut out = Vec::new();
    ciborium::ser::into_writer(&Cbor::Map(map), &mut out).unwrap();
    out
}

/// A page on `localhost` that speaks to the server.
struct Page<'s>(&'s Server, String);

impl<'s> Page<'s> {
    fn new(server: &'s Server) -> Self {
        Self(server, format!("localhost:{}", server.http.port()))
    }

    fn origin(&self) -> String {
        format!("http://{}", self.1)
    }

    fn post(&self, path: &str, bearer: Option<&str>, body: &Value) -> Answer {
        let origin = self.origin();
        let bearer = bearer.map(|b| format!("Bearer {b}"));
        let mut headers = vec![("content-type", "application/json"), ("origin", origin.as_str())];
        headers.extend(bearer.as_deref().map(|b| ("authorization", b)));
        let mut stream = crate::support::connect(self.0.http);
        let path = format!("/api/v1/account/passkey/{path}");
        crate::support::exchange(&mut stream, &self.1, "POST", &path, &headers, &body.to_string())
    }

    fn register(&self, authenticator: &Authenticator, name: &str) -> Answer {
        let options = self.post("register/start", None, &json!({ "name": name }));
        assert_eq!(options.status, 200, "{options:?}");
        self.post("register/finish", None, &authenticator.create(&options.json()))
    }

    fn login(&self, authenticator: &mut Authenticator) -> Answer {
        let options = self.post("login/start", None, &json!({}));
        assert_eq!(options.status, 200, "{options:?}");
        self.post("login/finish", None, &authenticator.get(&options.json()))
    }
}

#[test]
fn a_passkey_makes_an_account_and_opens_it() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let page = Page::new(&server);
    for (name, algorithm) in [("Eva", &rcgen::PKCS_ECDSA_P256_SHA256), ("Ed", &rcgen::PKCS_ED25519)] {
        let mut key =
            Authenticator::new(KeyPair::generate_for(algorithm).unwrap(), &page.origin(), "localhost");
        key.id = name.as_bytes().repeat(8);
        let made = page.register(&key, name);
        assert_eq!((made.status, made.json()["person"]["name"].as_str()), (201, Some(name)), "{made:?}");
        let entered = page.login(&mut key);
        assert_eq!((entered.status, &entered.json()["person"]), (200, &made.json()["person"]), "{entered:?}");
        let taken = page.post("register/start", None, &json!({ "name": name }));
        assert_eq!((taken.status, taken.code().as_str()), (409, "name-taken"));
    }
}

#[test]
fn a_passkey_is_added_to_an_account_with_a_password() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let page = Page::new(&server);
    let made = server.account("register", None, &json!({ "name": "Anna", "password": "correct horse" }));
    let identity = made.json()["identity"].as_str().unwrap().to_owned();
    let mut key = Authenticator::new(KeyPair::generate().unwrap(), &page.origin(), "localhost");
    assert_eq!(page.post("register/start", None, &json!({})).status, 401);
    let options = page.post("register/start", Some(&identity), &json!({})).json();
    assert_eq!(options["user"]["name"], "Anna");
    assert_eq!(page.post("register/finish", None, &key.create(&options)).status, 204);
    assert_eq!(page.login(&mut key).json()["person"], made.json()["person"]);
    let options = page.post("register/start", Some(&identity), &json!({})).json();
    assert_eq!(options["excludeCredentials"][0]["id"], BASE64.encode(&key.id));
}

#[test]
fn a_ceremony_that_is_not_right_opens_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let page = Page::new(&server);
    let mut key = Authenticator::new(KeyPair::generate().unwrap(), &page.origin(), "localhost");
    assert_eq!(page.register(&key, "Eva").status, 201);
    let check = |key: &mut Authenticator, change: &dyn Fn(&mut Authenticator), wanted: &str| {
        let (origin, host, id, flags, counter) =
            (key.origin.clone(), key.host.clone(), key.id.clone(), key.flags, key.counter);
        change(key);
        let answer = page.login(key);
        let said = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, answer.code().as_str()), (403, "passkey"), "{wanted}: {answer:?}");
        assert!(said.contains(wanted), "{wanted:?} is not in {said:?}");
        (key.origin, key.host, key.id, key.flags, key.counter) = (origin, host, id, flags, counter);
    };
    check(&mut key, &|k| k.origin = "http://localhost:1".into(), "another page");
    check(&mut key, &|k| k.host = "evil.example".into(), "another host");
    check(&mut key, &|k| k.flags = 1, "did not verify who uses it");
    check(&mut key, &|k| k.id = vec![9; 32], "not known here");
    assert_eq!(page.login(&mut key).status, 200);
    assert_eq!(page.login(&mut key).status, 200);
    check(&mut key, &|k| k.counter = 0, "went back");

    // Somebody else's key under the same id.
    let mut other = Authenticator::new(KeyPair::generate().unwrap(), &page.origin(), "localhost");
    check(&mut other, &|k| k.counter = 100, "the signature is wrong");
    // An answer counts once.
    let options = page.post("login/start", None, &json!({})).json();
    let answer = key.get(&options);
    assert_eq!(page.post("login/finish", None, &answer).status, 200);
    assert_eq!(page.post("login/finish", None, &answer).status, 403);
    // A challenge for one purpose does not serve another.
    let options = page.post("register/start", None, &json!({ "name": "Bob" })).json();
    assert_eq!(page.post("login/finish", None, &key.get(&options)).status, 403);
    // Without a page, or on a bare address, there are no passkeys.
    let bare = server.account("passkey/login/start", None, &json!({}));
    assert_eq!((bare.status, bare.code().as_str()), (403, "passkey"));
}
