// `GET /site/v1/orders`: what administrators told this boot host, for those that prove to have the same admin token.
import type { FastifyInstance } from 'fastify';
import type { Order } from '../api/machines.ts';
import { ORDER_PROOF_HEADER, ROUTES } from '../api/routes.ts';
import { PeerbootError } from '../base/errors.ts';
import { equalInConstantTime } from './http-admin.ts';

export interface OrdersForHttp {
  orders(): readonly Order[];
  /** Of a question or an answer, with the shared token: see io/order-proof. */
  prove(text: string): string;
}

export function orderRoutes(app: FastifyInstance, { orders, prove }: OrdersForHttp): void {
  app.get<{ Querystring: { nonce?: string } }>(ROUTES.siteOrders, (request, reply) => {
    const { nonce = '' } = request.query;
    const proof = String(request.headers[ORDER_PROOF_HEADER] ?? '');
    if (!/^[0-9a-f]{32}$/.test(nonce) || !equalInConstantTime(proof, prove(`ask ${nonce}`))) {
      throw new PeerbootError(
        'PB-ADMIN-FORBIDDEN',
        'request refused: it does not prove the admin token of this site',
      );
    }
    const body = JSON.stringify({ orders: orders() });
    return reply
      .headers({ 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' })
      .header(ORDER_PROOF_HEADER, prove(`answer ${nonce} ${body}`))
      .send(body);
  });
}
