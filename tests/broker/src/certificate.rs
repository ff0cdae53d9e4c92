//! A certificate authority of one broker's own, and the server's certificate by it.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::fetch::{Kafka, run};

/// Of the key store. It guards nothing: the keys are made for one test and go with its data.
pub(crate) const PASSWORD: &str = "of-a-test";

/// Makes `server.p12` (the server's key and its chain) and `ca.pem` (what clients trust) in `directory`.
pub(crate) fn make(kafka: &Kafka, directory: &Path) -> Result<(), Error> {
    let keytool = |what: &str, arguments: &[&str]| {
        let mut command = Command::new(kafka.keytool());
        command.current_dir(directory).args(arguments);
        command.args(["-keystore", "server.p12", "-storetype", "PKCS12", "-storepass", PASSWORD]);
        run(&mut command, what)
    };
    let pair = ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "30"];
    let authority = ["-alias", "ca", "-dname", "CN=Wayfarer test CA", "-ext", "bc:critical=ca:true"];
    keytool("making a certificate authority by keytool", &[&pair[..], &authority].concat())?;
    let export = ["-exportcert", "-rfc", "-alias", "ca", "-file", "ca.pem"];
    keytool("writing the authority's certificate by keytool", &export)?;
    let server = ["-alias", "server", "-dname", "CN=localhost", "-signer", "ca"];
    let names = ["-ext", "san=ip:127.0.0.1,dns:localhost"];
    keytool("making the server's certificate by keytool", &[&pair[..], &server, &names].concat())?;
    // Of two keys in a store the server might show the wrong one.
    keytool("removing the authority's key by keytool", &["-delete", "-alias", "ca"])
}
