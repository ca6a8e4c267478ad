package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectFailure says why there is no connection over the URL of an option.
func connectFailure(db *dataflow.Database, option, name string, err error) *dataflow.Diagnostic {
	d := openFailure(db, name, err)
	d.Span = db.OptionSpan(option)
	if said, ok := errors.AsType[*pgconn.PgError](err); ok && d.Code == "FC620" { // no table has been thought of yet
		d.Code = "FC602"
		d.Message = fmt.Sprintf("the database %s does not take the connection: %s", name, said.Message)
		d.Hint = "check the options behind the ? of the URL: those that are not about the connection must be settings of the server"
		if strings.HasPrefix(said.Message, "unsupported startup parameter") {
			d.Hint = `this is a pooler: write pooler = "transaction" beside the URL, and no settings of the server behind its ?`
		}
	}
	return &d
}

// openFailure says why a database can't be opened and what to do.
func openFailure(db *dataflow.Database, name string, err error) dataflow.Diagnostic {
	d := dataflow.Diagnostic{Code: "FC602", Span: db.URLSpan()}
	said, _ := errors.AsType[*pgconn.PgError](err)
	if said == nil {
		unreached(&d, name, err)
		return d
	}
	switch said.Code {
	case undefinedDatabase:
		d.Message = fmt.Sprintf("the server has no database of the name in %s", name)
		d.Hint = "make it first: createdb"
	case wrongPassword, notAuthorized:
		d.Message = fmt.Sprintf("the database %s refuses the user: %s", name, said.Message)
		d.Hint = "check user and password of the URL"
		switch {
		case strings.Contains(said.Message, "no encryption"):
			d.Hint = "the server may want TLS: write sslmode=verify-full, or at least require, behind the ? of the URL"
		case strings.Contains(said.Message, "client certificate"):
			d.Hint = "write sslcert=… and sslkey=… behind the ? of the URL"
		}
	case noPrivilege:
		d.Code = "FC606"
		d.Message = fmt.Sprintf("the database %s can't be altered: %s", name, said.Message)
		d.Hint = "let the user make tables: GRANT CREATE ON SCHEMA public TO …; or use auto_migrate = False"
	case lockNotAvailable:
		d.Code = "FC603"
		d.Message = fmt.Sprintf("the database %s is locked by another program", name)
		d.Hint = "end the other program's transaction; migration_lock_timeout says how long to wait for it"
	case diskFull:
		d.Code = "FC607"
		d.Message = fmt.Sprintf("there is no room left for the database %s", name)
		d.Hint = "free some space on its disk; nothing has been changed"
	case startingUp, shutDown, tooManyConnections:
		d.Message = fmt.Sprintf("the database %s does not take connections: %s", name, said.Message)
	default:
		d.Code = "FC620"
		d.Message = fmt.Sprintf("the tables of the database %s can't be made as the models ask: %s", name, said.Message)
		d.Hint = "nothing has been changed"
	}
	return d
}

// unreached says why there has been no word with the server.
func unreached(d *dataflow.Diagnostic, name string, err error) {
	if why, hint := untrusted(err); why != "" {
		d.Message, d.Hint = fmt.Sprintf("the database %s can't be trusted: %s", name, why), hint
		return
	}
	_, network := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		d.Code, d.Message = "FC603", fmt.Sprintf("opening the database %s was cancelled", name)
	case network || pgconn.Timeout(err):
		d.Message = fmt.Sprintf("the database %s can't be reached: %s", name, network1(err))
		d.Hint = "start the server, or check host and port of the URL"
	default:
		d.Message = fmt.Sprintf("the database %s can't be opened: %v", name, withoutSecrets(err))
	}
}

// refusedTLS is what pgx says of a server that has no TLS.
const refusedTLS = "server refused TLS connection"

// untrusted says what is wrong between the TLS options of the URL and what the
// server has to show, or "".
func untrusted(err error) (why, hint string) {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		names := strings.Join(e.Certificate.DNSNames, ", ")
		for _, ip := range e.Certificate.IPAddresses {
			names = strings.TrimPrefix(names+", "+ip.String(), ", ")
		}
		if names == "" {
			names = "no host"
		}
		return fmt.Sprintf("its certificate is for %s, not for %s", names, e.Host), "write the host in the URL as it is in the certificate"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is signed by an authority that is not known here", "name the authority's certificate behind the ? of the URL: sslrootcert=/path/to/ca.pem"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return "its certificate has expired, or is not valid yet", "give the server a new one, or set this machine's clock"
		}
		return "its certificate is not valid for a server", "give the server another one"
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is refused: " + e.Err.Error(), ""
	}
	if e, ok := handshake(err); ok {
		return "the TLS handshake failed: " + e.Err.Error(), "check the options that begin with ssl behind the ? of the URL, and what the server asks for"
	}
	if strings.HasSuffix(err.Error(), refusedTLS) {
		return "it has no TLS, and the sslmode of the URL asks for it", "switch TLS on in the server (ssl = on); sslmode=disable is for a network that nobody else is on"
	}
	return "", ""
}

// handshake finds the alert that ended a TLS handshake.
func handshake(err error) (*net.OpError, bool) {
	e, ok := errors.AsType[*net.OpError](err)
	return e, ok && (e.Op == "remote error" || e.Op == "local error")
}

// network1 is what the network says, without addresses.
func network1(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err.Error()
	}
	return "it does not answer"
}
