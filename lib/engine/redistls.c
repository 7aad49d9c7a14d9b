/*
 * TLS for the connection to a Redis server, by OpenSSL (SSL_connect(3),
 * SSL_set1_host(3)).  The server's certificate must be of a known authority
 * and name the host; there is no way to leave that out.  The socket does not
 * block: each call tells what to wait for.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redistls.h"

struct bk_redis_tls {
	SSL_CTX *ctx;
	SSL *ssl;
};

/* What OpenSSL has to say, as a fault with ${status}.  Returns -1. */
static int
tls_fault(int status, const char *what, const char *name, struct bk_fault *f)
{
	char said[256];
	unsigned long e = ERR_get_error();

	if (e == 0)
		return bk_fault_set(f, status, "%s '%s'", what, name);
	ERR_error_string_n(e, said, sizeof(said));
	ERR_clear_error();
	return bk_fault_set(f, status, "%s '%s': %s", what, name, said);
}

static int
load_files(SSL_CTX *ctx, const struct bk_redis_at *at, struct bk_fault *f)
{
	if (at->ca == NULL && SSL_CTX_set_default_verify_paths(ctx) != 1)
		return tls_fault(BK_CONFIG, "no authorities for", at->host, f);
	if (at->ca != NULL &&
	    SSL_CTX_load_verify_locations(ctx, at->ca, NULL) != 1)
		return tls_fault(BK_CONFIG, "cannot use the authority", at->ca,
		    f);
	if (at->cert == NULL)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, at->cert) != 1)
		return tls_fault(BK_CONFIG, "cannot use the certificate",
		    at->cert, f);
	if (SSL_CTX_use_PrivateKey_file(ctx, at->key, SSL_FILETYPE_PEM) != 1)
		return tls_fault(BK_CONFIG, "cannot use the key", at->key, f);
	return 0;
}

/* The name or address that the certificate must have. */
static int
expect(SSL *ssl, const char *host)
{
	unsigned char addr[sizeof(struct in6_addr)];
	char name[sizeof(((struct bk_redis_at *)NULL)->host)];

	/* OpenSSL's macro casts const away. */
	snprintf(name, sizeof(name), "%s", host);
	if (inet_pton(AF_INET, host, addr) == 1 ||
	    inet_pton(AF_INET6, host, addr) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
		    host) == 1 ? 0 : -1;
	return SSL_set1_host(ssl, host) == 1 &&
	    SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : -1;
}

struct bk_redis_tls *
bk_redis_tls_new(int fd, const struct bk_redis_at *at, struct bk_fault *f)
{
	struct bk_redis_tls *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "redis");
		return NULL;
	}
	if ((t->ctx = SSL_CTX_new(TLS_client_method())) == NULL) {
		tls_fault(BK_IO, "no TLS for", at->host, f);
		goto bad;
	}
	SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (load_files(t->ctx, at, f) == -1)
		goto bad;
	if ((t->ssl = SSL_new(t->ctx)) == NULL ||
	    SSL_set_fd(t->ssl, fd) != 1 || expect(t->ssl, at->host) == -1) {
		tls_fault(BK_IO, "no TLS for", at->host, f);
		goto bad;
	}
	return t;
bad:
	bk_redis_tls_free(t);
	return NULL;
}

void
bk_redis_tls_free(struct bk_redis_tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	free(t);
}

/* What the result ${rc} of a call on ${t} means. */
static ssize_t
outcome(struct bk_redis_tls *t, int rc, const char *name, struct bk_fault *f)
{
	long verdict;

	if (rc > 0)
		return rc;
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return BK_TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return BK_TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		break;
	}
	if ((verdict = SSL_get_verify_result(t->ssl)) != X509_V_OK)
		return bk_fault_set(f, BK_NOPERM,
		    "the certificate of '%s' is not accepted: %s", name,
		    X509_verify_cert_error_string(verdict));
	return tls_fault(BK_UNAVAILABLE, "TLS with", name, f);
}

ssize_t
bk_redis_tls_begin(struct bk_redis_tls *t, const char *name,
    struct bk_fault *f)
{
	ERR_clear_error();
	return outcome(t, SSL_connect(t->ssl), name, f);
}

ssize_t
bk_redis_tls_read(struct bk_redis_tls *t, void *p, size_t n, const char *name,
    struct bk_fault *f)
{
	ERR_clear_error();
	return outcome(t, SSL_read(t->ssl, p, (int)n), name, f);
}

ssize_t
bk_redis_tls_write(struct bk_redis_tls *t, const void *p, size_t n,
    const char *name, struct bk_fault *f)
{
	ERR_clear_error();
	return outcome(t, SSL_write(t->ssl, p, (int)n), name, f);
}
