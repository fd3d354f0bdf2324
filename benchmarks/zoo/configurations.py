"""The configurations of the gateways: the usual ones, as the documentation of each has them, and strict ones.

`@name@` is filled in when the gateway is started. The paths below /open/ need no login.
"""

from dataclasses import dataclass

CADDY = """{
	admin off
	auto_https off
}
http://:@port@ {
	bind 127.0.0.1
	handle /open/* {
		reverse_proxy 127.0.0.1:@behind@
	}
	handle {
		forward_auth 127.0.0.1:@auth@ {
			uri /check
			copy_headers X-User-ID
		}
		reverse_proxy 127.0.0.1:@behind@
	}
}
"""
CADDY_STRICT = """{
	admin off
	auto_https off
}
http://:@port@ {
	bind 127.0.0.1
	route {
		@odd path_regexp [\\\\;]
		respond @odd 400
		request_header -Connection
		request_header -X-User-*
		request_header -*_*
		request_header -*.*
		handle /open/* {
			reverse_proxy 127.0.0.1:@behind@
		}
		handle {
			forward_auth 127.0.0.1:@auth@ {
				uri /check
				copy_headers X-User-ID
			}
			reverse_proxy 127.0.0.1:@behind@
		}
	}
}
"""
FORWARD_AUTH = """			forward_auth 127.0.0.1:@auth@ {
				uri /check
				copy_headers X-User-ID
			}
"""
# `forward_auth` written out, except that the identity is copied only if there is one.
WRITTEN_OUT = """			reverse_proxy 127.0.0.1:@auth@ {
				method GET
				rewrite /check
				header_up X-Forwarded-Method {method}
				header_up X-Forwarded-Uri {uri}
				@known {
					status 2xx
					header X-User-ID *
				}
				handle_response @known {
					request_header X-User-ID {http.reverse_proxy.header.X-User-Id}
				}
				@nobody status 2xx
				handle_response @nobody {
					request_header -X-User-ID
				}
			}
"""
NGINX = """daemon off; pid @folder@/pid; error_log stderr crit; events {}
@user@
http {
	access_log off;
	client_body_temp_path @folder@/b; proxy_temp_path @folder@/p; fastcgi_temp_path @folder@/f;
	uwsgi_temp_path @folder@/u; scgi_temp_path @folder@/s;
	server {
		listen 127.0.0.1:@port@;
		location /open/ {
			proxy_pass http://127.0.0.1:@behind@;
		}
		location / {
			auth_request /check;
			auth_request_set $user_id $upstream_http_x_user_id;
			proxy_set_header X-User-ID $user_id;
			proxy_pass http://127.0.0.1:@behind@;
		}
		location = /check {
			internal;
			proxy_pass http://127.0.0.1:@auth@;
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
		}
	}
}
"""
NGINX_UNDERSCORES = NGINX.replace("server {", "underscores_in_headers on;\n\tserver {")
NGINX_STRICT = NGINX.replace(
    "\t\tlocation /open/ {\n",
    """\t\tif ($request_uri ~* "%5c|;") { return 400; }
\t\tlocation /open/ {
\t\t\tproxy_set_header X-User-ID "";
""",
)
HAPROXY = """defaults
	mode http
	timeout connect 2s
	timeout client 5s
	timeout server 5s
frontend in
	bind 127.0.0.1:@port@
	acl open path_beg /open/
	http-request set-var(txn.bearer) http_auth_bearer
	http-request deny deny_status 401 if !open !{ var(txn.bearer),jwt_verify("HS256","@secret@") -m int 1 }
	http-request set-header X-User-ID %[var(txn.bearer),jwt_payload_query('$.sub')] if !open
	default_backend behind
backend behind
	server one 127.0.0.1:@behind@
"""
HAPROXY_STRICT = """defaults
	mode http
	timeout connect 2s
	timeout client 5s
	timeout server 5s
frontend in
	bind 127.0.0.1:@port@
	http-request deny deny_status 400 if { path -m sub -i .. // %2e %2f %5c ; }
	http-request del-header ^x[-_.]user[-_.] -m reg
	http-request del-header [_.] -m reg
	acl open path_beg /open/
	http-request set-var(txn.bearer) http_auth_bearer
	http-request deny deny_status 401 if !open !{ var(txn.bearer),jwt_verify("HS256","@secret@") -m int 1 }
	http-request set-var(txn.user) var(txn.bearer),jwt_payload_query('$.sub') if !open
	http-request set-header X-User-ID %[var(txn.user)] if { var(txn.user) -m found }
	default_backend behind
backend behind
	server one 127.0.0.1:@behind@
"""
RUN_CADDY = ("run", "--config", "@file@", "--adapter", "caddyfile")
RUN_NGINX = ("-p", "@folder@", "-c", "@file@")
RUN_HAPROXY = ("-db", "-f", "@file@")
CADDY_MENDS = {
    "names": "`request_header -*_*` and `request_header -*.*`",
    "Connection": "`request_header -Connection`",
    "nobody": "`forward_auth` written out, with a `handle_response` of its own for an answer that names nobody; and "
    "the lines of “names”",
    "public": "`request_header -X-User-*`, `-*_*` and `-*.*`, before all else in a `route`",
    "paths": "`@odd path_regexp [\\\\;]` and `respond @odd 400`",
    "lengths": "`request_header -*_*`",
}
NGINX_MENDS = {
    "public": '`proxy_set_header X-User-ID "";` in the public location',
    "paths": '`if ($request_uri ~* "%5c|;") { return 400; }`',
}
OFF = "`underscores_in_headers off`, the default"
UNDERSCORES_MENDS = {group: NGINX_MENDS.get(group, OFF) for group in ("names", "nobody", "paths", "lengths")}
UNDERSCORES_MENDS["public"] = f"{OFF}, and {NGINX_MENDS['public']}"
HAPROXY_MENDS = {
    "names": "`http-request del-header [_.] -m reg`",
    "nobody": "`http-request set-header` only `if { var(txn.user) -m found }`, and the lines of “names” and “public”",
    "public": "`http-request del-header ^x[-_.]user[-_.] -m reg`, before all else",
    "paths": "`http-request deny deny_status 400 if { path -m sub -i .. // %2e %2f %5c ; }`",
    "lengths": "`http-request del-header [_.] -m reg`",
}


@dataclass(frozen=True)
class SetUp:
    """A usual set-up, and the strict one unless another entry has it. `mends` says by group what only that one has."""

    program: str
    arguments: tuple[str, ...]
    usual: str
    strict: str
    mends: dict[str, str]


SET_UPS = {
    "Caddy": SetUp("wheel", RUN_CADDY, CADDY, CADDY_STRICT, CADDY_MENDS),
    "Caddy of Debian": SetUp("caddy", RUN_CADDY, CADDY, CADDY_STRICT.replace(FORWARD_AUTH, WRITTEN_OUT), CADDY_MENDS),
    "nginx": SetUp("nginx", RUN_NGINX, NGINX, NGINX_STRICT, NGINX_MENDS),
    "nginx, underscores_in_headers on": SetUp("nginx", RUN_NGINX, NGINX_UNDERSCORES, "", UNDERSCORES_MENDS),
    "HAProxy": SetUp("haproxy", RUN_HAPROXY, HAPROXY, HAPROXY_STRICT, HAPROXY_MENDS),
}
