//! A secret that outlives the process: drawn once, kept in a file that only its owner may read.
//!
//! With a new one at every start, all open pages would become other visitors. Whoever calls holds the
//! folder's lock.

use super::Failure;
use crate::http::keyed::{Secret, hex, random, unhex};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The secret in a file; where there is none, a new one that is put there.
pub(super) fn kept_secret(path: &Path) -> Result<Secret, Failure> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            draw(path).map_err(|error| failed(path, error))?
        }
        read => read.map_err(|error| failed(path, error))?,
    };
    let secret = unhex(text.trim()).and_then(|bytes| Secret::of(&bytes));
    secret.ok_or_else(|| {
        let what = format!(
            "{} holds no secret: remove it, and open pages become other visitors",
            path.display()
        );
        Failure::new(4, anyhow::anyhow!(what))
    })
}

/// Whole or not at all, however it ends.
fn draw(path: &Path) -> io::Result<String> {
    let text = hex(&random::<32>()?);
    let aside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
    Ok(text)
}

fn failed(path: &Path, error: io::Error) -> Failure {
    let what = format!("could not keep the tokens' secret in {}", path.display());
    Failure::new(5, anyhow::Error::new(error).context(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_drawn_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.secret");
        let first = kept_secret(&path).unwrap();
        let again = kept_secret(&path).unwrap();
        assert_eq!(first.sign(&[b"x"]), again.sign(&[b"x"]));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "short").unwrap();
        assert_eq!(kept_secret(&path).unwrap_err().code, 4);
    }
}
